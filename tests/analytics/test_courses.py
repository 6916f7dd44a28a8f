"""The course of a run: what ran beside what, what decided its end, and what it would be with other calls."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analytics.test_runs import step

from freehold.analytics.courses import busy_us, critical, replayed_us


def as_it_was(one):
    return one.ended_us - one.started_us


def replayed_s(steps, **takes):
    return replayed_us(steps, lambda one: takes[one.task] * 1e6 if one.task in takes else as_it_was(one)) / 1e6


def test_calls_side_by_side_share_the_time_and_are_counted_once():
    assert busy_us([step("a", 0, 4), step("b", 0, 2)]) == {"a": 3e6, "b": 1e6}


def test_the_critical_path_is_what_the_last_answer_waited_for():
    steps = [step("a", 0, 4), step("b", 0, 2), step("c", 4.5, 6), step("d", 5, 5.5)]
    found = critical(steps)
    assert dict(found.by_task) == {"a": 4_000_000, "c": 1_500_000}
    assert found.waits_us == 500_000


def test_what_began_late_beside_another_waited_for_the_product():
    found = critical([step("a", 0, 10), step("b", 1, 12)])
    assert (dict(found.by_task), found.waits_us) == ({"b": 11_000_000}, 1_000_000)


def test_a_call_waits_for_all_that_had_ended_before_it():
    """`c` began once both had: a faster `a` helps only until `b` is the last."""
    steps = [step("a", 0, 10), step("b", 0, 9), step("c", 11, 12)]
    assert replayed_s(steps) == 12
    assert replayed_s(steps, a=1) == 11
    assert replayed_s(steps, a=1, b=1) == 3
    assert replayed_s(steps, c=0) == 11


def test_calls_that_ran_at_once_stay_side_by_side():
    steps = [step("a", 0, 4), step("b", 1, 3), step("c", 4, 6)]
    assert replayed_s(steps, b=30) == 33  # c had waited for b as well
    assert replayed_s(steps, a=0.5) == 5  # b begins a second after the run, as it did


drawn_steps = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 500), st.integers(0, 200)), min_size=1, max_size=40
)


@settings(max_examples=150, deadline=None)
@given(drawn_steps)
def test_times_add_up_and_a_replay_of_what_was_changes_nothing(drawn):
    steps = sorted(
        (step(task, start, start + took) for task, start, took in drawn), key=lambda one: (one.started_us, one.ended_us)
    )
    wall = max(one.ended_us for one in steps) - steps[0].started_us
    found = critical(steps)
    assert found.by_task.total() + found.waits_us == wall
    assert replayed_us(steps, as_it_was) == pytest.approx(wall)
    covered = set()
    for one in steps:
        covered |= set(range(one.started_us // 10**6, one.ended_us // 10**6))
    assert sum(busy_us(steps).values()) == pytest.approx(len(covered) * 1e6)


@settings(max_examples=100, deadline=None)
@given(drawn_steps, st.floats(0, 1))
def test_faster_calls_never_make_a_run_longer(drawn, factor):
    steps = sorted(
        (step(task, start, start + took) for task, start, took in drawn), key=lambda one: (one.started_us, one.ended_us)
    )
    slower = replayed_us(steps, as_it_was)
    faster = replayed_us(steps, lambda one: as_it_was(one) * (factor if one.task == "a" else 1))
    assert faster <= slower + 1e-6
