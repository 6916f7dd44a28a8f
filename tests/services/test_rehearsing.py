"""Another model tried on a task's own calls: what is asked, paid, kept, compared, and never sent."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.anthropic_upstream import message
from tests.support.rehearsals import KEY, OTHER, Scripted, colour_of, made, played_from, recording, served_by
from tests.support.upstream import Upstream, http, send

from freehold.errors import GateRefused, MissingPrerequisite, NotFound, RestrictedRefused, UpstreamFailed, UsageError
from freehold.services import erasing, rehearsing, retaining
from freehold.services._kept import KeptAnswers
from freehold.services._purse import Purse
from freehold.services.home import Home
from freehold.services.rehearsing import Order
from freehold.settings import LedgerSettings, ProviderSettings, RetentionSettings, Strategy, TaskSettings

A_CALL = Decimal("0.000038")
"""What a call of the scripted provider costs: 30 tokens at 1 USD and 2 at 4 USD per million."""


def right(said: str, _number: int) -> tuple[int, str]:
    return 200, colour_of(said)


def test_every_call_of_the_sample_is_asked_once_with_the_providers_key_and_compared(tmp_path: Path) -> None:
    with Upstream() as up, made(tmp_path, served_by(up.url), gold_share=0.5) as (home, task):
        script = Scripted(up, lambda said, n: (200, "blue" if n % 10 == 0 else colour_of(said)))
        done = rehearsing.rehearse(home, task, Order(OTHER, calls=60), environ=KEY)
        found = done.rehearsal
        assert len(script.asked) == len(set(script.asked)) == 60
        assert (script.models, script.keys) == ({"small-1"}, {"Bearer sk-other"})
        assert (found.answered, found.refused, found.failed, found.wanted, found.population) == (60, 0, 0, 60, 80)
        blue = sum(colour_of(said) == "blue" for said in script.asked[9::10])
        assert found.agreed.same == 54 + blue
        assert found.agreed.interval.low < found.agreed.share < found.agreed.interval.high
        assert sum(one.n for one in found.disagreements) == 6 - blue
        assert all(one.what.endswith("\u2192 blue") for one in found.disagreements)
        assert found.gold is not None
        assert found.gold.today_right == found.gold.n
        assert found.gold.worse == found.gold.n - found.gold.right
        assert (found.spent_usd, found.usd_per_call) == (60 * A_CALL, A_CALL)
        assert found.today == "openai/gpt-4.1"
        assert home.registry.rehearsals(task.id) == [found]
        assert home.count() == 80, "what was asked is no traffic of the product"


def test_answers_are_kept_and_running_again_pays_only_for_what_is_missing(tmp_path: Path) -> None:
    with Upstream() as up, made(tmp_path, served_by(up.url)) as (home, task):
        script = Scripted(up, right)
        small = rehearsing.rehearse(home, task, Order(OTHER, calls=30), environ=KEY)
        again = rehearsing.rehearse(home, task, Order(OTHER, calls=30, budget_usd=Decimal(0)), environ=KEY)
        assert (again.plan.kept, again.plan.to_ask, again.rehearsal.spent_usd) == (30, 0, 0)
        assert again.rehearsal.agreed == small.rehearsal.agreed
        assert (small.rehearsal.look, again.rehearsal.look) == (1, 1)
        large = rehearsing.rehearse(home, task, Order(OTHER, calls=70), environ=KEY)
        assert (large.plan.kept, large.plan.to_ask, large.rehearsal.look) == (30, 40, 2)
        assert len(script.asked) == len(set(script.asked)) == 70
        elsewhere = rehearsing.rehearse(home, task, Order(OTHER, calls=30, seed=1), environ=KEY)
        assert 0 < elsewhere.plan.kept < 30, "another seed is another sample, whose answers are the same"


def test_a_budget_ends_a_run_before_it_is_exceeded_and_the_next_goes_on(tmp_path: Path) -> None:
    with Upstream() as up, made(tmp_path, served_by(up.url)) as (home, task):
        script = Scripted(up, right)
        plan = rehearsing.plan(home, task, Order(OTHER, calls=60), environ=KEY)
        assert plan.worst_usd is not None
        assert plan.expected_usd is not None
        assert 0 < plan.expected_usd < plan.worst_usd
        assert script.asked == []
        budget = plan.worst_usd / 60 + 10 * A_CALL  # what is reserved for one, and what ten turn out to cost
        first = rehearsing.rehearse(home, task, Order(OTHER, calls=60, budget_usd=budget), environ=KEY)
        assert "budget" in first.stopped
        asked = len(script.asked)
        assert 5 <= asked <= 15
        assert first.rehearsal.answered == asked
        assert first.rehearsal.spent_usd == asked * A_CALL <= budget
        rest = rehearsing.rehearse(home, task, Order(OTHER, calls=60), environ=KEY)
        assert rest.stopped == ""
        assert rest.rehearsal.answered == 60
        assert len(script.asked) == len(set(script.asked)) == 60


def test_a_budget_that_carries_no_call_and_a_price_that_nobody_knows_send_nothing(tmp_path: Path) -> None:
    with Upstream() as up, made(tmp_path, served_by(up.url)) as (home, task):
        script = Scripted(up, right)
        for budget in (Decimal(0), Decimal("0.000001")):
            with pytest.raises(GateRefused, match="carries no call") as caught:
                rehearsing.rehearse(home, task, Order(OTHER, budget_usd=budget), environ=KEY)
            assert caught.value.error_code == "budget_too_small"
        with pytest.raises(GateRefused, match="nobody knows") as caught:
            rehearsing.rehearse(home, task, Order("other/unheard-of"), environ=KEY)
        assert caught.value.error_code == "price_unknown"
        assert script.asked == []
        order = Order("other/unheard-of", calls=5, allow_unknown_price=True)
        done = rehearsing.rehearse(home, task, order, environ=KEY)
        assert (done.rehearsal.spent_usd, done.rehearsal.usd_per_call, len(script.asked)) == (None, None, 5)


@given(
    budget=st.integers(1, 60),
    calls=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=30),
    at_once=st.integers(1, 8),
)
def test_a_purse_is_never_exceeded_whoever_asks_it_at_once(
    budget: int, calls: list[tuple[int, int]], at_once: int
) -> None:
    purse, waiting = Purse(Decimal(budget)), list(calls)

    async def work() -> None:
        while waiting:
            worst, part = waiting.pop()
            if not await purse.reserve(Decimal(worst)):
                return
            assert purse.spent_usd + purse.reserved_usd <= budget
            await asyncio.sleep(0)
            await purse.settle(Decimal(worst), Decimal(min(part, worst)))

    async def everybody() -> None:
        await asyncio.gather(*(work() for _ in range(at_once)))

    asyncio.run(asyncio.wait_for(everybody(), 5))
    assert purse.spent_usd <= budget
    assert (purse.reserved_usd, purse.overdrawn_usd) == (0, 0)


def test_what_passes_is_tried_again_and_what_was_refused_counts_as_not_as_good(tmp_path: Path) -> None:
    failed: set[str] = set()

    def answer(said: str, _number: int) -> tuple[int, str]:
        if said not in failed and len(failed) < 3:
            failed.add(said)
            return 429, "rate_limit_exceeded"
        return (400, "content_filter") if said.endswith("7") else (200, colour_of(said))

    with Upstream() as up, made(tmp_path, served_by(up.url)) as (home, task):
        script = Scripted(up, answer)
        found = rehearsing.rehearse(home, task, Order(OTHER, calls=40, at_once=2), environ=KEY).rehearsal
        refused = sum(said.endswith("7") for said in set(script.asked))
        assert len(script.asked) == 40 + 3
        assert (found.answered, found.refused, found.failed) == (40 - refused, refused, 0)
        assert (found.agreed.n, found.agreed.same) == (40, 40 - refused)
        assert found.errors == {"status 400": refused}
        assert found.spent_usd == (40 - refused) * A_CALL, "a refusal is not charged for"


@pytest.mark.parametrize(
    ("status", "code"), [(401, "invalid_api_key"), (404, "model_not_found"), (429, "insufficient_quota")]
)
def test_what_no_call_can_mend_ends_the_run_at_once(tmp_path: Path, status: int, code: str) -> None:
    with Upstream() as up, made(tmp_path, served_by(up.url)) as (home, task):
        script = Scripted(up, lambda _said, _number: (status, code))
        with pytest.raises(UpstreamFailed, match=f"status {status}") as caught:
            rehearsing.rehearse(home, task, Order(OTHER, calls=60), environ=KEY)
        assert caught.value.error_code == "rehearsal_unanswered"
        assert len(script.asked) <= rehearsing.AT_ONCE
        assert home.registry.rehearsals(task.id) == []


def test_fields_that_the_other_dialect_has_no_word_for_are_reported(tmp_path: Path) -> None:
    with Upstream() as up:
        other = ProviderSettings("anthropic", base_url=up.url, api_key_env="OTHER_KEY")
        with made(tmp_path, served_by(up.url, providers={"other": other})) as (home, task):
            up.choose = lambda _received: (send(http(200, message("blue"))),)
            home.ledger.append(
                msgspec.structs.replace(call, id=f"{call.id}-b", request=_with(call.request, seed=5))
                for call in list(home.calls())
            )
            found = rehearsing.rehearse(home, task, Order(OTHER, calls=160), environ=KEY).rehearsal
            assert found.answered == 160
            assert found.not_carried["seed"] == 80
            assert found.not_carried["max_tokens=16384"] == 160


def _with(request: bytes, **more: object) -> bytes:
    return json.dumps(json.loads(request) | more).encode()


# what never leaves


def test_a_restricted_task_is_refused_before_anything_is_looked_at(tmp_path: Path) -> None:
    with Upstream() as up, made(tmp_path, served_by(up.url)) as (home, task):
        script = Scripted(up, right)
        _restrict(home, task.name)
        for attempt in (rehearsing.rehearse, rehearsing.plan):
            with pytest.raises(RestrictedRefused):
                attempt(home, task, Order(OTHER), environ=KEY)
        assert script.asked == []


def test_calls_that_hold_restricted_text_are_drawn_and_never_sent(tmp_path: Path) -> None:
    with Upstream() as up, made(tmp_path, served_by(up.url), essays=30) as (home, task):
        script = Scripted(up, right)
        essay = next(one for one in home.registry.tasks() if one.id != task.id)
        secret = "Write a short, warm note to the guest who asks, and sign it with the name of the house."
        home.ledger.append(
            msgspec.structs.replace(call, id=f"{call.id}-q", request=_said_also(call.request, secret))
            for call in list(home.calls())
            if call.id.startswith("colour-1")
        )
        _restrict(home, essay.name)
        done = rehearsing.rehearse(home, task, Order(OTHER, calls=200), environ=KEY)
        assert done.plan.held_back >= 10
        assert done.rehearsal.answered == done.plan.drawn - done.plan.held_back
        assert not any(secret in said for said in script.asked)


def _restrict(home: Home, name: str) -> None:
    """Declare a task restricted, as its owner would in freehold.toml."""
    home.settings = msgspec.structs.replace(home.settings, tasks={name: TaskSettings(data_class="restricted")})
    home.loaded = home.loaded._replace(settings=home.settings)
    home.registry.publish(home.settings)


def _said_also(request: bytes, text: str) -> bytes:
    body = json.loads(request)
    body["messages"][-1]["content"] += f" {text}"
    return json.dumps(body).encode()


def test_calls_that_must_stay_somewhere_go_to_no_provider_that_is_not_known_to_be_there(tmp_path: Path) -> None:
    with Upstream() as up:
        for places, passes in (((), False), (("us",), False), (("de",), True)):
            folder = tmp_path / ("-".join(places) or "unknown")
            folder.mkdir()
            settings = served_by(up.url, strategy=Strategy(residency=("eu",)))
            other = msgspec.structs.replace(settings.providers["other"], processes_in=places)
            settings = msgspec.structs.replace(settings, providers={"other": other})
            with made(folder, settings) as (home, task):
                script = Scripted(up, right)
                if passes:
                    rehearsing.rehearse(home, task, Order(OTHER, calls=3), environ=KEY)
                    assert len(script.asked) == 3
                else:
                    with pytest.raises(RestrictedRefused, match="residency"):
                        rehearsing.rehearse(home, task, Order(OTHER, calls=3), environ=KEY)
                    assert script.asked == []


# what is kept


def test_kept_answers_are_erased_and_expire_with_the_calls_they_answer(tmp_path: Path) -> None:
    with Upstream() as up, made(tmp_path, served_by(up.url)) as (home, task):
        script = Scripted(up, right)
        rehearsing.rehearse(home, task, Order(OTHER, calls=80), environ=KEY)
        some = ("colour-1", "colour-2")
        done = erasing.erase(home, call_ids=some)
        assert (done.calls, done.finished) == (2, True)
        after = rehearsing.plan(home, task, Order(OTHER, calls=80), environ=KEY)
        assert (after.drawn, after.kept, after.to_ask) == (78, 78, 0)
        kept = home.path / "rehearsals"
        assert len(list(kept.rglob("*.parquet"))) >= 1
        home.settings = msgspec.structs.replace(home.settings, retention=RetentionSettings(bodies_days=1.0))
        home.ledger.seal()
        retaining.expire(home)
        assert len(script.asked) == 80
        assert KeptAnswers(home.path, home.settings.ledger).of(task.id, "other", "small-1") == {}


def test_kept_answers_are_encrypted_where_calls_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_KEY", "b" * 43 + "=")
    with Upstream() as up:
        settings = served_by(up.url, ledger=LedgerSettings(encryption_key_env="LEDGER_KEY"))
        with made(tmp_path, settings) as (home, task):
            Scripted(up, lambda _said, _number: (200, "ultramarine"))
            rehearsing.rehearse(home, task, Order(OTHER, calls=20), environ=KEY)
            for path in (home.path / "rehearsals").rglob("*"):
                assert not path.is_file() or b"ultramarine" not in path.read_bytes()
            assert rehearsing.plan(home, task, Order(OTHER, calls=20), environ=KEY).kept == 20


def test_two_rehearsals_at_once_are_one_too_many(tmp_path: Path) -> None:
    with (
        made(tmp_path, served_by("http://127.0.0.1:9")) as (home, task),
        KeptAnswers(home.path, home.settings.ledger).keeping(task.id, "other", "small-1"),
        pytest.raises(GateRefused, match="under way"),
    ):
        rehearsing.rehearse(home, task, Order(OTHER, calls=3), environ=KEY)


# wrong input


def test_wrong_orders_are_refused_with_what_to_type(tmp_path: Path) -> None:
    with Upstream() as up, made(tmp_path, served_by(up.url), gold_share=0.0) as (home, task):
        script = Scripted(up, right)
        for order in (
            Order(OTHER, calls=0),
            Order(OTHER, budget_usd=Decimal(-1)),
            Order(OTHER, budget_usd=Decimal("NaN")),
            Order(OTHER, against="silver"),
            Order(OTHER, at_once=0),
        ):
            with pytest.raises(UsageError) as wrong:
                rehearsing.rehearse(home, task, order, environ=KEY)
            assert wrong.value.hint
        with pytest.raises(NotFound, match="no provider 'nobody'"):
            rehearsing.rehearse(home, task, Order("nobody/small-1"), environ=KEY)
        with pytest.raises(MissingPrerequisite, match="OTHER_KEY") as caught:
            rehearsing.rehearse(home, task, Order(OTHER), environ={})
        assert "export OTHER_KEY" in caught.value.hint
        with pytest.raises(MissingPrerequisite, match="person's answer"):
            rehearsing.rehearse(home, task, Order(OTHER, against="gold"), environ=KEY)
        assert script.asked == []


def test_calls_without_content_cannot_be_asked_again(tmp_path: Path) -> None:
    with made(tmp_path, served_by("http://127.0.0.1:9"), calls=20) as (home, task):
        calls = list(home.calls())
        home.ledger.append(msgspec.structs.replace(c, id=f"{c.id}-n", task=task.id, request=b"") for c in calls)
        erasing.erase(home, call_ids=[call.id for call in calls])
        with pytest.raises(MissingPrerequisite, match="without content"):
            rehearsing.rehearse(home, task, Order(OTHER), environ=KEY)


def test_a_recording_stands_in_for_nothing_and_says_so(tmp_path: Path) -> None:
    with made(tmp_path, played_from(tmp_path / "small-1.jsonl")) as (home, task):
        recording(tmp_path, lambda number: number % 20 == 0, prompt_tokens=60)
        done = rehearsing.rehearse(home, task, Order(OTHER, calls=80, budget_usd=Decimal(0)), environ={})
        found = done.rehearsal
        assert found.played
        assert (found.answered, found.agreed.same, found.spent_usd) == (80, 76, 0)
        assert found.latency is not None
        assert (found.latency.p50_ms, found.latency.p95_ms) == (150.0, 150.0)
        assert found.input_ratio is not None
        assert found.input_ratio.low <= found.input_ratio.value <= found.input_ratio.high
        with pytest.raises(UpstreamFailed, match="recording_missing"):
            rehearsing.rehearse(home, task, Order("other/never-recorded", calls=3), environ={})
