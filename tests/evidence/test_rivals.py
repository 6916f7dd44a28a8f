"""Bounds on how much worse another model is: they hold as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.evidence import rivals
from freehold.evidence.disagreements import difference
from freehold.evidence.losses import LossName
from freehold.vocabulary import Interval, Paired

NOTHING = Interval(0.0, 1.0)


def paired(n: int, worse: int, better: int) -> Paired:
    return Paired(n, n - worse, n - better, worse, better, NOTHING, NOTHING)


def test_the_bound_on_a_paired_loss_fails_no_more_often_than_it_may() -> None:
    """Worse on 6 %, better on 2 %: the loss is 4 points. 4,000 samples of 300; five standard errors of slack."""
    rng = np.random.default_rng(3)
    draws = rng.multinomial(300, [0.06, 0.02, 0.92], size=4000)
    failed = np.mean([rivals.worse_upper(paired(300, int(w), int(b)), 0.1) < 0.04 for w, b, _ in draws])
    assert failed <= 0.1 + 5 * (0.1 * 0.9 / 4000) ** 0.5


def test_looking_as_often_as_one_likes_fails_no_more_often_than_one_look_may() -> None:
    """Exactly as many differ as are allowed; looks at 100, 200, 400 and 800 of the same calls."""
    rng = np.random.default_rng(4)
    alpha, delta, failed = 0.05, 0.1, 0
    for _ in range(1500):
        wrong = np.cumsum(rng.random(800) < alpha)
        looks = enumerate((100, 200, 400, 800), 1)
        failed += any(
            rivals.differs_upper(n - int(wrong[n - 1]), n, rivals.spent(delta, look)) < alpha for look, n in looks
        )
    assert failed / 1500 <= delta + 5 * (delta * (1 - delta) / 1500) ** 0.5


def test_what_all_looks_may_spend_is_what_was_allowed() -> None:
    spent = sum(rivals.spent(0.05, look) for look in range(1, 10_000))
    assert 0.049 < spent <= 0.05
    assert rivals.spent(0.05, 1, 2) == rivals.spent(0.05, 1) / 2


@given(rate=st.floats(0, 0.049), alpha=st.just(0.05))
def test_as_many_calls_as_are_asked_for_would_settle_it(rate: float, alpha: float) -> None:
    needed = rivals.calls_needed(rate, alpha, 0.025)
    if needed is not None:
        wrong = int(np.ceil(rate * needed))
        assert rivals.differs_upper(needed - wrong, needed, 0.025) <= alpha


def test_no_number_of_calls_makes_a_worse_model_good_enough() -> None:
    assert rivals.calls_needed(0.06, 0.05, 0.025) is None
    assert rivals.gold_needed(paired(100, 10, 2), 0.05, 0.025) is None
    few = rivals.gold_needed(paired(100, 2, 3), 0.05, 0.025)
    assert few is not None
    assert few > 100
    assert rivals.calls_needed(0.0, 0.05, 0.025) == pytest.approx(72, abs=3)


def test_a_ratio_of_sums_has_the_interval_of_its_scatter() -> None:
    same = rivals.ratio([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert same is not None
    assert (same.value, same.low, same.high, same.n) == (2.0, 2.0, 2.0, 3)
    rng = np.random.default_rng(5)
    old = rng.integers(50, 500, 200).astype(float)
    found = [rivals.ratio((old * rng.normal(1.1, 0.2, 200)).tolist(), old.tolist()) for _ in range(400)]
    held = np.mean([one is not None and one.low <= 1.1 <= one.high for one in found])
    assert held > 0.9
    assert rivals.ratio([], []) is None
    assert rivals.ratio([1.0], [0.0]) is None


@pytest.mark.parametrize(
    ("loss", "new", "old", "said"),
    [
        ("label", "b", "a", "a \u2192 b"),
        ("text", "one", "two", "other words"),
        ("json", "Sure!", '{"a": 1}', "no JSON"),
        ("json", '{"a": {"b": 2}}', '{"a": {"b": 1}}', "/a/b"),
        ("json", '{"a": 1}', '{"a": 1, "b": 2}', "/b missing"),
        ("json", '{"a": 1, "b": 2}', '{"a": 1}', "/b added"),
        ("json", '{"a": [1]}', '{"a": [1, 2]}', "/a: number of items"),
        ("tool_calls", "text", '{"tool_calls":[{"name":"f","arguments":{}}]}', "text instead of a tool"),
        (
            "tool_calls",
            '{"tool_calls":[{"name":"g","arguments":{}}]}',
            '{"tool_calls":[{"name":"f","arguments":{}}]}',
            "f \u2192 g",
        ),
        (
            "tool_calls",
            '{"tool_calls":[{"name":"f","arguments":{"x":2}}]}',
            '{"tool_calls":[{"name":"f","arguments":{"x":1}}]}',
            "f: /x",
        ),
    ],
)
def test_how_two_answers_differ_is_said_without_their_content(loss: LossName, new: str, old: str, said: str) -> None:
    assert difference(loss, new, old) == said


@given(new=st.text(), old=st.text(), loss=st.sampled_from(["label", "json", "tool_calls", "text"]))
def test_any_two_answers_can_be_told_apart_in_a_short_line(new: str, old: str, loss: LossName) -> None:
    assert len(difference(loss, new, old)) < 110
