"""Errors of single answers added up to those of whole runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.evidence.compounding import LEAST_TOGETHER, if_independent, together, union_bound
from freehold.evidence.intervals import two_sided


def test_ten_steps_of_two_percent_are_at_most_twenty_percent():
    steps = {f"s{n}": 0.02 for n in range(10)}
    once = dict.fromkeys(steps, 1.0)
    assert union_bound(steps, once) == pytest.approx(0.2)
    assert if_independent(steps, [once]) == pytest.approx(1 - 0.98**10)
    assert union_bound({"a": 0.4}, {"a": 5.0}) == 1.0


def test_nothing_wrong_is_nothing_and_certainly_wrong_is_certain():
    assert union_bound({"a": 0.0}, {"a": 3.0}) == 0.0
    assert if_independent({"a": 0.0}, [{"a": 3.0}]) == 0.0
    assert if_independent({"a": 1.0}, [{"a": 1.0}, {}]) == pytest.approx(0.5)
    assert if_independent({}, []) == 0.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=12), min_size=1, max_size=40))
def test_the_union_bound_holds_whatever_goes_together_and_however_long_the_runs_are(runs):
    """Of any log of runs with any errors: the share of wrong runs is at most what the steps' own rates add up to."""
    answers = [(task, wrong) for run in runs for task, wrong in run]
    rates, per_run = {}, {}
    for task in {task for task, _ in answers}:
        own = [wrong for one, wrong in answers if one == task]
        rates[task], per_run[task] = sum(own) / len(own), len(own) / len(runs)
    wrong_runs = sum(any(wrong for _, wrong in run) for run in runs) / len(runs)
    assert wrong_runs <= union_bound(rates, per_run) + 1e-12


def test_independence_is_exact_where_it_is_true_and_wrong_where_it_is_not():
    rng = np.random.default_rng(5)
    lengths = rng.integers(1, 15, 40_000)
    counts = [{"a": float(n)} for n in lengths]
    told = if_independent({"a": 0.03}, counts)
    apart = np.mean([(rng.random(n) < 0.03).any() for n in lengths])
    assert apart == pytest.approx(told, abs=4 * (told / 40_000) ** 0.5)
    hard = rng.random(40_000) < 0.03  # in hard runs every answer is wrong, in the others none
    assert hard.mean() < told / 4


def test_steps_that_err_together_are_seen_to():
    outcomes = [(True, True)] * 6 + [(True, False)] * 2 + [(False, True)] + [(False, False)] * 191
    found = together("a", "b", outcomes)
    assert found is not None
    assert (found.n, found.first_wrong, found.second_wrong, found.both) == (200, 8, 7, 6)
    assert found.expected == pytest.approx(0.28)
    assert found.interval == two_sided(6, 200)
    assert found.phi == pytest.approx(np.corrcoef(np.array(outcomes).T)[0, 1])
    assert found.p_value < 1e-6


def test_few_runs_and_steps_that_never_err_tell_no_correlation():
    assert together("a", "b", [(True, True)] * (LEAST_TOGETHER - 1)) is None
    found = together("a", "b", [(False, True)] * 50)
    assert found is not None
    assert (found.phi, found.both, found.p_value) == (None, 0, 1.0)


def test_chance_alone_rarely_looks_like_correlation():
    rng = np.random.default_rng(11)
    found = [together("a", "b", [(bool(x), bool(y)) for x, y in rng.random((200, 2)) < 0.1]) for _ in range(300)]
    assert np.mean([one.p_value <= 0.05 for one in found if one is not None]) <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5
