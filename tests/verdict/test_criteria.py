"""The classical criteria: each answered from what was measured or declared, or not at all; none moves the money."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.support.workloads import AS_OF, START_US, a_call, a_certificate, a_task, a_workload

from freehold.analytics.glance import MOST, Glance, Glanced
from freehold.economics.quality import QualityFacts
from freehold.settings import EconomicsSettings, Strategy
from freehold.verdict import Constraints, decide
from freehold.vocabulary import Criterion, Match, Verdict

CERTIFIED = QualityFacts(kind="classification", certificate=a_certificate(0.87))
SEEN = Glanced(200, 5000, 12, ("email",), 200, 4)


def _decide(factor: float = 1.0, constraints: Constraints | None = None, glanced: Glanced = SEEN) -> Verdict:
    work = msgspec.structs.replace(a_workload(), volume_factor=factor)
    economics = EconomicsSettings()
    return decide(a_task(), work, CERTIFIED, constraints or Constraints(), economics, AS_OF, glanced=glanced)


def _found(verdict: Verdict) -> dict[str, Criterion]:
    return {one.name: one for one in verdict.criteria}


@pytest.mark.parametrize(("factor", "low", "high"), [(1.0, "yes", "no"), (1000.0, "no", "yes")])
def test_volume_is_judged_against_where_owning_begins_to_pay(factor: float, low: str, high: str) -> None:
    found = _found(_decide(factor))
    assert (found["low volume"].answer, found["high volume"].answer) == (low, high)
    assert found["low volume"].rests_on == "measured"
    assert "pays from" in found["low volume"].evidence
    assert "50% of the calls came in the later half" in found["high volume"].evidence


def test_what_nobody_said_is_not_known_and_what_was_said_is_declared() -> None:
    silent = _found(_decide())
    for name in ("prototype", "generic task", "not core", "niche domain", "strategic asset"):
        assert (silent[name].answer, silent[name].rests_on) == ("not known", "nothing")
    assert "4 different among 200" in silent["niche domain"].evidence
    told = _found(_decide(constraints=Constraints(strategy=Strategy(core=False, strategic=True, prototype=False))))
    assert [told[n].answer for n in ("not core", "strategic asset", "prototype")] == ["yes", "yes", "no"]
    assert told["not core"].rests_on == "declared"


def test_personal_data_is_evidence_with_its_interval_and_none_found_proves_nothing() -> None:
    found = _found(_decide())["sensitive data"]
    assert (found.answer, found.rests_on) == ("yes", "measured")
    assert "12 of 200" in found.evidence
    assert "3.1% to 10.2%" in found.evidence
    none = _found(_decide(glanced=msgspec.structs.replace(SEEN, personal=0, kinds=())))["sensitive data"]
    assert none.answer == "not known"
    assert "0 of 200" in none.evidence
    restricted = _found(_decide(1000, Constraints("restricted")))["sensitive data"]
    assert (restricted.answer, restricted.rests_on) == ("yes", "declared")


def test_the_swap_of_the_model_and_the_ownership_are_two_steps() -> None:
    """At this volume the swap saves, and owning the same weights costs more than it: the changes add up to the end."""
    verdict = _decide(1000)
    today, swapped, owned = verdict.steps
    by_name = {option.name: option.monthly_usd.mid for option in verdict.options}
    assert [by_name[step.option] for step in verdict.steps] == [step.monthly_usd for step in verdict.steps]
    assert today.option.startswith("keep renting")
    assert swapped.option.split()[1] == owned.option.split()[1], "the same weights"
    assert swapped.change_usd < 0 < owned.change_usd
    assert today.monthly_usd + swapped.change_usd + owned.change_usd == owned.monthly_usd
    assert owned.monthly_usd == min(usd for name, usd in by_name.items() if name.startswith("host "))


def test_training_from_scratch_is_refused_by_the_tasks_own_tokens_and_never_silently() -> None:
    small, large = _decide(1).from_scratch, _decide(10_000).from_scratch
    assert small.startswith("From scratch: no. It takes 20 billion tokens")
    assert "a year of this task has 0.13" in small, "21,743 calls a month of 504 tokens, twelve times"
    assert ", 123 years of today's bill" in small
    assert "no." not in large
    assert "fine-tuning what exists comes first" in large


def test_no_criterion_moves_the_answer() -> None:
    strategy = Strategy(strategic=True, niche=True, core=True, generic=False, prototype=False)
    plain, told = _decide(), _decide(constraints=Constraints(strategy=strategy))
    assert (plain.word, plain.reason, plain.options) == (told.word, told.reason, told.options)
    assert len(plain.criteria) == 8


def test_a_glance_counts_what_it_saw() -> None:
    glance = Glance()
    answer = {"choices": [{"message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}]}
    for n in range(MOST + 50):
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}).encode()
        call = a_call(START_US + n, request=body, response=json.dumps(answer).encode())
        text = "write to rosa@example.org" if n % 2 else "nothing"
        glance.add(call, Match("t", "v", (text,), "template"))
    seen = glance.glanced()
    assert (seen.looked_at, seen.of, seen.answers, seen.distinct) == (MOST, MOST + 50, MOST, 1)
    assert seen.kinds == ("email",)
    assert 60 < seen.personal < 140
