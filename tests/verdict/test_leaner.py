"""The same model for less: prompts that a cache would read, and answers that may come a day later."""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec
from tests.support.workloads import AS_OF, a_task, a_workload

from freehold.analytics.findings import Leaner
from freehold.economics.quality import QualityFacts
from freehold.economics.workload import Workload
from freehold.settings import EconomicsSettings, Strategy
from freehold.verdict import Constraints, decide
from freehold.vocabulary import Option, Verdict

LARGE = msgspec.structs.replace(a_workload(), volume_factor=1000)
PAID = LARGE.observed_usd
UNSAID = Strategy()
FACTS = QualityFacts(kind="free_text")


def verdict(leaner: Leaner, strategy: Strategy = UNSAID, work: Workload = LARGE) -> Verdict:
    seen = msgspec.structs.replace(work, leaner=leaner)
    return decide(a_task(), seen, FACTS, Constraints(strategy=strategy), EconomicsSettings(), AS_OF)


def option(found: Verdict, part: str) -> Option | None:
    return next((one for one in found.options if part in one.name), None)


def seen(**changed: object) -> Leaner:
    return msgspec.structs.replace(Leaner(calls=LARGE.calls, known_runs=LARGE.calls, waited=LARGE.calls), **changed)


def test_a_cache_that_would_read_half_of_the_bill_is_worth_the_work() -> None:
    found = verdict(seen(eligible=LARGE.calls, cache_usd=PAID / 2))
    cached = option(found, "prompts cached")
    assert cached is not None
    assert (found.word, found.chosen, cached.quality) == ("keep_renting", cached.name, "reference")
    rent = found.options[0].monthly_usd.mid
    assert abs(cached.monthly_usd.mid - rent * (1 - Decimal("0.5") * Decimal("0.7"))) < rent / 50
    assert cached.name in found.reason


def test_a_cache_that_would_read_little_changes_nothing() -> None:
    found = verdict(seen(eligible=10, cache_usd=PAID / 100))
    assert option(found, "prompts cached") is not None
    assert found.chosen == found.options[0].name
    assert "prompts cached" not in found.reason
    assert option(verdict(seen()), "prompts cached") is None
    assert option(verdict(seen(cache_usd=None)), "prompts cached") is None


def test_a_small_bill_is_not_worth_anybodys_hours() -> None:
    small = a_workload()
    found = verdict(seen(eligible=small.calls, cache_usd=small.observed_usd / 2), work=small)
    assert found.chosen == found.options[0].name


def test_batches_take_a_yes() -> None:
    nobody = seen(waited=0)
    found = verdict(nobody)
    batched = option(found, "in batches")
    assert batched is not None
    assert not batched.allowed
    assert "can_wait" in batched.why_not
    refused = option(verdict(nobody, Strategy(can_wait=False)), "in batches")
    assert refused is not None
    assert refused.why_not == "its answers may not come a day later"
    agreed = verdict(nobody, Strategy(can_wait=True))
    chosen = option(agreed, "in batches")
    assert chosen is not None
    assert (chosen.allowed, agreed.chosen, agreed.word) == (True, chosen.name, "keep_renting")
    rent = agreed.options[0].monthly_usd.mid
    assert abs(chosen.monthly_usd.mid - rent / 2) < rent / 50


def test_calls_that_are_batched_already_save_nothing_more() -> None:
    half, standard = len(LARGE.days) // 2, LARGE.days
    mixed = tuple(
        msgspec.structs.replace(day, service_tier="batch", usd=day.usd / 2) if place < half else day
        for place, day in enumerate(standard)
    )
    work = msgspec.structs.replace(LARGE, days=mixed)
    batched = option(verdict(seen(waited=0, batched=10), Strategy(can_wait=True), work), "in batches")
    alone = option(verdict(seen(waited=0), Strategy(can_wait=True)), "in batches")
    assert batched is not None
    assert alone is not None
    assert abs(batched.monthly_usd.mid - alone.monthly_usd.mid) < alone.monthly_usd.mid / 50


def test_a_candidate_must_beat_the_same_model_for_less() -> None:
    plain, batched = (verdict(seen(waited=0), Strategy(can_wait=said)) for said in (False, True))
    for found in (plain, batched):
        held = next(row for row in found.options if row.name == found.chosen)
        better = [
            row for row in found.options if row.quality == "unknown" and row.monthly_usd.mid < held.monthly_usd.mid
        ]
        assert better
        stakes = re.findall(r"([\d,]+) USD a month at stake", found.to_find_out)
        assert Decimal(stakes[0].replace(",", "")) < held.monthly_usd.mid
    assert batched.chosen != plain.chosen


def test_where_somebody_waits_there_is_no_batch() -> None:
    assert option(verdict(seen(waited=LARGE.calls // 10), Strategy(can_wait=True)), "in batches") is None
    assert option(verdict(seen(waited=0, batched=LARGE.calls), Strategy(can_wait=True)), "in batches") is None


def test_a_restricted_task_rents_neither() -> None:
    leaner = msgspec.structs.replace(seen(waited=0), eligible=LARGE.calls, cache_usd=PAID / 2)
    work = msgspec.structs.replace(LARGE, leaner=leaner)
    bound = Constraints("restricted", Strategy(can_wait=True))
    found = decide(a_task(), work, FACTS, bound, EconomicsSettings(), AS_OF)
    for part in ("prompts cached", "in batches"):
        one = option(found, part)
        assert one is not None
        assert not one.allowed
