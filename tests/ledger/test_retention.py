"""Retention: content goes when it is due and not before, then the calls; numbers stay right through kills."""

import signal
from pathlib import Path

import pytest
from tests.support.ledger_calls import START_US, make_call
from tests.support.ledger_crash import Nursery

from freehold.ledger import NEVER_US, Expired, Keep, Ledger, RetentionRules
from freehold.ledger.feedback import attach
from freehold.vocabulary import CONTENT_TAG, Call, Feedback

N = 60
DAY = 86_400_000_000
WHOLE = N * 1_000_000
"""The time from the first call to after the last, in microseconds."""


def rules(content_us: int = DAY, call_us: int = NEVER_US, *, gold: bool = False, name: str = "x") -> RetentionRules:
    def keep(call: Call, held: str | None) -> Keep:
        return Keep(NEVER_US, NEVER_US, call) if gold and held is not None else Keep(content_us, call_us, call)

    return RetentionRules(name, min(content_us, call_us), False, keep)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path)
    for first in (0, N // 2):
        ledger.append(make_call(n) for n in range(first, first + N // 2))
        ledger.seal(remove_after_s=0)
    return ledger


def expired(n: int) -> Call:
    call = make_call(n, request=b"", response=b"")
    call.tags = {**call.tags, CONTENT_TAG: "expired"}
    call.legs = tuple(type(leg)(**{**leg_fields(leg), "answer": None}) for leg in call.legs)
    return call


def leg_fields(leg: object) -> dict[str, object]:
    return {name: getattr(leg, name) for name in leg.__struct_fields__}  # type: ignore[attr-defined]


def test_content_goes_with_the_last_of_its_segment_and_numbers_stay(ledger: Ledger) -> None:
    before = ledger.query("SELECT count(*), sum(input_tokens), sum(latency_ms), count(gold) FROM calls").rows
    assert ledger.expire(rules(), START_US + DAY - 1) == Expired(next_us=START_US + DAY)
    early = ledger.expire(rules(), START_US + DAY + 5_000_000)
    assert (early.segments, early.contents) == (0, 0)
    half = ledger.expire(rules(), START_US + DAY + WHOLE // 2)
    assert (half.segments, half.contents, half.calls) == (1, N // 2, 0)
    assert list(ledger.calls()) == [expired(n) if n < N // 2 else make_call(n) for n in range(N)]
    rest = ledger.expire(rules(), START_US + DAY + WHOLE)
    assert rest == Expired(1, N // 2, 0, None)
    assert ledger.expire(rules(), START_US + 99 * DAY) == Expired()
    assert list(ledger.calls()) == [expired(n) for n in range(N)]
    assert ledger.query("SELECT count(*), sum(input_tokens), sum(latency_ms), count(gold) FROM calls").rows == before
    assert ledger.doctor() == []
    assert ledger.append(make_call(n) for n in range(N)).added == 0


def test_a_long_segment_is_rewritten_a_day_after_its_first_call_is_due(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(make_call(n, started_at_us=START_US + n * DAY) for n in range(10))
    ledger.seal()
    assert ledger.expire(rules(), START_US + 2 * DAY - 1).segments == 0
    first = ledger.expire(rules(), START_US + 2 * DAY)
    assert (first.segments, first.contents) == (1, 2)
    assert [bool(call.request) for call in ledger.calls()] == [False] * 2 + [True] * 8
    assert ledger.expire(rules(), START_US + 2 * DAY) == Expired(next_us=START_US + 4 * DAY)


def test_calls_go_for_good_with_what_was_said_of_them(ledger: Ledger) -> None:
    attach(ledger.home, "call-00000001", [Feedback("", "comment", "good")])
    attach(ledger.home, "call-00000040", [Feedback("", "comment", "better")])
    done = ledger.expire(rules(DAY, 2 * DAY), START_US + 2 * DAY + WHOLE // 2 - 1)
    assert (done.segments, done.contents, done.calls) == (2, N // 2, N // 2)
    assert list(ledger.calls()) == [expired(n) for n in range(N // 2, N)]
    assert ledger.count() == N // 2
    assert set(ledger.feedback(["call-00000001", "call-00000040"])) == {"call-00000040"}
    assert ledger.expire(rules(DAY, 2 * DAY), START_US + 9 * DAY).calls == N // 2
    assert (ledger.count(), list(ledger.calls()), ledger.doctor()) == (0, [], [])
    assert ledger.losses().dropped == 0


def test_gold_can_keep_a_call_whole(ledger: Ledger) -> None:
    attach(ledger.home, "call-00000001", [Feedback("", "gold", "right")])
    ledger.expire(rules(gold=True), START_US + 9 * DAY)
    kept = [n for n, call in enumerate(ledger.calls()) if call.request]
    assert kept == sorted({1, *range(0, N, 7)})


def test_new_rules_are_looked_at_anew_and_a_dry_run_changes_nothing(ledger: Ledger) -> None:
    later = START_US + 5 * DAY
    assert ledger.expire(rules(9 * DAY), later).segments == 0
    before = ledger._manifest.listing()
    assert ledger.expire(rules(), later, dry_run=True) == Expired(2, N, 0, None)
    assert ledger._manifest.listing() == before
    assert ledger.expire(rules(name="y"), later).contents == N


@pytest.mark.fault("host", "SIGKILL at every step of sealing, retention and erasure")
@pytest.mark.parametrize("step", ["write", "forget", "install", "publish"])
def test_a_kill_after_any_step_loses_nothing_that_is_kept(children: Nursery, tmp_path: Path, step: str) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(make_call(n, started_at_us=START_US + n % 3 * DAY) for n in range(N))
    ledger.seal(remove_after_s=0)
    now = START_US + 5 * DAY // 2
    assert children.run("expire_until", tmp_path, step, now) == -signal.SIGKILL
    assert ledger.count() == (N if step != "publish" else N * 2 // 3)
    assert ledger.doctor() == []
    ledger.expire(rules(DAY, 2 * DAY, name="again"), now)
    ledger.seal(remove_after_s=0, orphans_after_s=0)
    assert [bool(call.request) for call in ledger.calls()] == [False] * (N // 3) + [True] * (N // 3)
    assert {path.name for path in (tmp_path / "ledger/segments").iterdir()} == {
        segment.name for segment in ledger._manifest.listing().segments
    }
