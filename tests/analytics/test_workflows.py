"""Runs of calls: who belongs together, how long the whole takes, and each link's share."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.analytics.workflows import APART_S, Step, WorkflowMeter


def step(task, start, end, run="r", how="trace", usd="0.01", ok=True):
    cost = None if usd is None else Decimal(usd)
    return Step(run, how, task, round(start * 1e6), round(end * 1e6), cost, ok)


def flows(*steps):
    meter = WorkflowMeter()
    for one in sorted(steps, key=lambda one: one.started_us):
        meter.add(one)
    return meter.workflows(), meter


def test_a_chain_of_two_tasks():
    steps = [
        one
        for run in range(10)
        for one in (
            step("sort", run * 100, run * 100 + 1, f"r{run}"),
            step("reply", run * 100 + 2, run * 100 + 5, f"r{run}", usd="0.03"),
        )
    ]
    (flow,), _ = flows(*steps)
    assert flow.tasks == ("sort", "reply")
    assert (flow.runs, flow.calls_per_run, flow.duration_ms) == (10, 2.0, 5000.0)
    assert flow.usd_per_run == Decimal("0.04")
    assert flow.model_share == pytest.approx(4 / 5)
    shares = {link.task: (link.time_share, link.cost_share) for link in flow.links}
    assert shares["reply"] == (pytest.approx(0.75), pytest.approx(0.75))
    assert flow.failed_interval[0] == 0.0 < flow.failed_interval[1] < 0.35


def test_calls_side_by_side_share_the_time():
    (flow,), _ = flows(step("a", 0, 4), step("b", 0, 2))
    assert {link.task: link.time_share for link in flow.links} == {"a": pytest.approx(0.75), "b": pytest.approx(0.25)}
    assert flow.duration_ms == 4000


def test_a_task_repeated_at_once_counts_once():
    (flow,), _ = flows(*[step("search", n, n + 0.5) for n in range(5)], step("answer", 6, 7))
    assert flow.tasks == ("search", "answer")
    assert flow.calls_per_run == 6


def test_a_session_that_pauses_is_two_runs_and_a_trace_is_one():
    late = APART_S + 10
    (session,), _ = flows(*[step("a", at, at + 1, how="session") for at in (0, 5, late, late + 5)])
    assert session.runs == 2
    (trace,), _ = flows(*[step("a", at, at + 1) for at in (0, 5, late, late + 5)])
    assert trace.runs == 1


def test_a_run_of_unknown_price_is_counted_beside_the_mean():
    (flow,), _ = flows(step("a", 0, 1, "x"), step("a", 1, 2, "x"), step("a", 0, 1, "y", usd=None), step("a", 1, 2, "y"))
    assert (flow.unpriced_runs, flow.usd_per_run) == (1, Decimal("0.02"))


def test_runs_of_one_call_are_no_workflow():
    found, meter = flows(step("a", 0, 1, "x"), step("a", 0, 1, "y"))
    assert (found, meter.single()) == ([], 2)


def test_a_failed_call_fails_its_run():
    (flow,), _ = flows(step("a", 0, 1, "x"), step("a", 1, 2, "x", ok=False), step("a", 0, 1, "y"), step("a", 1, 2, "y"))
    assert flow.failed_runs == 1
    assert flow.links[0].failed == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 1000), st.integers(1, 300), st.integers(0, 4)),
        min_size=2,
        max_size=40,
    )
)
def test_nothing_is_lost_and_shares_add_up(drawn):
    steps = [step(task, start, start + took, f"r{run}") for task, start, took, run in drawn]
    found, meter = flows(*steps)
    assert sum(round(flow.runs * flow.calls_per_run) for flow in found) + meter.single() == len(steps)
    for flow in found:
        assert sum(link.time_share for link in flow.links) == pytest.approx(1)
        assert 0 < flow.model_share <= 1 + 1e-9
        assert flow.duration_ms <= flow.duration_p95_ms + 1e-9
