"""What workflows take, and what they would with some steps answered otherwise."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analytics.test_runs import kinds, step

from freehold.analytics.alternatives import AT_ONCE, Answered, supposed
from freehold.analytics.runs import Kind, Run
from freehold.analytics.workflows import measured
from freehold.evidence.intervals import two_sided
from freehold.vocabulary import Interval


def flows(*steps, **tasks):
    return [measured(kind, "flow", runs, tasks) for kind, runs in kinds(*steps).items()]


def chain(runs=10):
    """Sorting for a second, a second of the product's own, three of answering."""
    return [
        one
        for run in range(runs)
        for one in (
            step("sort", run * 100, run * 100 + 1, f"r{run}"),
            step("reply", run * 100 + 2, run * 100 + 5, f"r{run}", usd="0.03"),
        )
    ]


def test_a_chain_of_two_tasks():
    (flow,) = flows(*chain(), sort="Sorting")
    assert (flow.runs, flow.calls_per_run, flow.most_calls, flow.untimed) == (10, 2.0, 2, 0)
    assert (flow.wall.n, flow.wall.mean_ms, flow.model.mean_ms, flow.between.mean_ms) == (10, 5000, 4000, 1000)
    assert [one.ms for one in flow.wall.quantiles] == [5000, 5000, 5000]
    assert flow.usd_per_run == Decimal("0.04")
    assert (flow.entry, [one.tasks for one in flow.paths]) == ("Sorting", [("Sorting", "reply")])
    reply, sort = flow.links
    assert (sort.task, sort.latency_ms, sort.decides, reply.decides) == ("Sorting", 1000, 0, 10)
    assert (reply.time_share, reply.cost_share, reply.critical_share) == (0.75, 0.75, pytest.approx(0.6))
    assert flow.critical_between == pytest.approx(0.2)
    assert flow.failed_interval.low == 0.0 < flow.failed_interval.high < 0.35


def test_parallel_calls_are_counted_once():
    (flow,) = flows(step("a", 0, 4), step("b", 0, 2), step("c", 5, 6))
    assert (flow.wall.mean_ms, flow.model.mean_ms, flow.between.mean_ms) == (6000, 5000, 1000)
    assert flow.side_by_side == pytest.approx(2 / 7)


def test_a_tail_that_too_few_runs_show_has_no_interval():
    (few,) = flows(*chain(10))
    assert [one.interval is None for one in few.wall.quantiles] == [False, True, True]
    (many,) = flows(*chain(600))
    assert all(one.interval is not None for one in many.wall.quantiles)


def test_a_run_whose_times_nobody_knows_is_counted_and_in_no_time():
    (flow,) = flows(*chain(2), step("sort", 900, 900, "x", timed=False), step("reply", 900, 903, "x"))
    assert (flow.runs, flow.untimed, flow.wall.n) == (3, 1, 2)
    (none,) = flows(step("a", 0, 0, timed=False), step("b", 0, 0, timed=False))
    assert (none.wall, none.model, none.links[0].critical_share) == (None, None, None)


def test_a_run_of_unknown_price_is_counted_beside_the_mean():
    (flow,) = flows(step("a", 0, 1, "x"), step("a", 1, 2, "x"), step("a", 0, 1, "y", usd=None), step("a", 1, 2, "y"))
    assert (flow.unpriced_runs, flow.usd_per_run) == (1, Decimal("0.02"))


def test_a_failed_call_fails_its_run():
    (flow,) = flows(step("a", 0, 1, "x"), step("a", 1, 2, "x", ok=False), step("a", 0, 1, "y"), step("a", 1, 2, "y"))
    assert flow.failed_runs == 1
    assert flow.links[0].failed == 1


CHAIN = chain(400)
RUNS = [Run(tuple(CHAIN[2 * n : 2 * n + 2])) for n in range(400)]
SURE = Interval(1.0, 1.0)


def test_a_step_in_no_time_is_a_bound():
    found = supposed(RUNS, {"reply": (AT_ONCE, SURE)}, {}, "at_once")
    assert (found.wall.mean_ms, found.keeps, found.usd_per_run) == (2000, 1.0, Decimal("0.01"))


def test_what_is_not_kept_is_rented_after_the_owned_model_and_audits_are_paid():
    keeps = 0.8
    answered = Answered(keeps, 10.0, audited=0.1)
    found = supposed(RUNS, {"reply": (answered, two_sided(80, 100))}, {"reply": "Reply"}, "owned")
    assert found.tasks == ("Reply",)
    kept = round(found.keeps * 400)
    assert abs(found.keeps - keeps) < 0.08  # four standard errors
    assert found.wall.mean_ms == pytest.approx(2010 + 3000 * (400 - kept) / 400)
    assert found.usd_per_run == pytest.approx(
        Decimal("0.01") + Decimal("0.03") * (400 - kept + kept / Decimal(10)) / 400
    )
    assert found.at_most_kept.mean_ms < found.wall.mean_ms < found.at_least_kept.mean_ms


def test_a_version_that_is_not_covered_and_a_call_that_was_asked_already_stay_as_they_are():
    other = [Run(tuple(one._replace(template="new") for one in run.steps)) for run in RUNS]
    answered = Answered(1.0, 0.0, templates=frozenset({"old"}))
    assert supposed(other, {"reply": (answered, SURE)}, {}, "owned").wall.mean_ms == 5000
    asked = [Run(tuple(one._replace(asked_owned=True) for one in run.steps)) for run in RUNS]
    assert supposed(asked, {"reply": (AT_ONCE, SURE)}, {}, "owned").keeps == 0.0


def test_runs_without_times_or_prices_suppose_nothing():
    run = Run((step("a", 0, 0, usd=None, timed=False),))
    found = supposed([run], {"a": (AT_ONCE, SURE)}, {}, "at_once")
    assert (found.wall, found.usd_per_run) == (None, None)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 1000), st.integers(1, 300), st.integers(0, 4)),
        min_size=2,
        max_size=40,
    )
)
def test_shares_add_up(drawn):
    steps = [step(task, start, start + took, f"r{run}") for task, start, took, run in drawn]
    for flow in flows(*steps):
        assert sum(link.time_share for link in flow.links) == pytest.approx(1)
        assert sum(link.critical_share for link in flow.links) + flow.critical_between == pytest.approx(1)
        assert sum(link.decides for link in flow.links) == flow.runs
        assert flow.model.mean_ms <= flow.wall.mean_ms + 1e-6
        assert flow.model.mean_ms + flow.between.mean_ms == pytest.approx(flow.wall.mean_ms)
        assert 0 <= flow.side_by_side < 1
        assert isinstance(Kind(flow.how, flow.feature, flow.entry), Kind)
