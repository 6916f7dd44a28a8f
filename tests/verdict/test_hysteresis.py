"""Which answer stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from freehold.verdict.hysteresis import BETWEEN_FLIPS, Held, step
from freehold.vocabulary import VerdictWord

START = datetime(2026, 1, 1, tzinfo=UTC)
OWN = Held("own_student", START)


def _after(days: float) -> datetime:
    return START + timedelta(days=days)


def test_the_first_answer_stands_at_once_and_the_same_again_changes_nothing() -> None:
    first = step(None, "keep_renting", START)
    assert first == (Held("keep_renting", START), False, "")
    assert step(first.held, "keep_renting", _after(90)).held == first.held


def test_another_answer_waits_for_thirty_days() -> None:
    early = step(OWN, "keep_renting", _after(29))
    assert (early.held, early.flipped) == (OWN, False)
    assert "2026-01-31" in early.why
    late = step(OWN, "keep_renting", _after(30))
    assert (late.held, late.flipped, late.why) == (Held("keep_renting", _after(30)), True, "")


def test_a_hard_reason_does_not_wait_and_is_said() -> None:
    done = step(OWN, "not_enough_evidence", _after(1), "the certificate no longer stands")
    assert (done.held.word, done.flipped, done.why) == ("not_enough_evidence", True, "the certificate no longer stands")
    assert not step(OWN, "own_student", _after(1), "its model is gone").flipped


def test_no_evidence_takes_no_answer_away_and_an_answer_takes_its_place_at_once() -> None:
    kept = step(OWN, "not_enough_evidence", _after(400))
    assert (kept.held, kept.flipped) == (OWN, False)
    assert kept.why
    assert step(Held("not_enough_evidence", START), "own_student", _after(1)).flipped


WORDS: list[VerdictWord] = ["keep_renting", "own_student", "rent_smaller", "not_enough_evidence"]


@given(st.lists(st.tuples(st.sampled_from(WORDS), st.integers(1, 20)), min_size=1, max_size=60))
def test_without_a_hard_reason_no_answer_falls_twice_in_thirty_days(fresh: list[tuple[VerdictWord, int]]) -> None:
    held, day, fallen = None, 0, []
    for word, days in fresh:
        day += days
        before = held
        done = step(held, word, _after(day))
        held = done.held
        if done.flipped and before is not None and before.word != "not_enough_evidence":
            fallen.append(_after(day))
    assert all(later - earlier >= BETWEEN_FLIPS for earlier, later in pairwise(fallen))
