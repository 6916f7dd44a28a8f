"""Runs of calls: who belongs together, and which runs are of one kind."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.analytics.runs import APART_S, Kind, RunMeter, Step, path
from freehold.analytics.workflows import names


def step(task, start, end, run="r", how="trace", usd="0.01", ok=True, **more):
    cost = None if usd is None else Decimal(usd)
    call = f"{run}-{task}-{start}-{end}"
    return Step(run, how, task, round(start * 1e6), round(end * 1e6), cost, ok, call=call, **more)


def metered(*steps):
    meter = RunMeter()
    for one in sorted(steps, key=lambda one: one.started_us):
        meter.add(one)
    return meter


def kinds(*steps):
    return metered(*steps).kinds()


def test_runs_of_any_length_and_course_are_one_kind_where_they_begin_alike():
    short = [step("plan", 0, 1, "x"), step("answer", 2, 3, "x")]
    long = [step("plan", 10, 11, "y"), *[step("search", 12 + n, 12.5 + n, "y") for n in range(6)]]
    found = kinds(*short, *long, step("answer", 30, 31, "z"), step("plan", 32, 33, "z"))
    assert {kind: len(runs) for kind, runs in found.items()} == {
        Kind("trace", "", "plan"): 2,
        Kind("trace", "", "answer"): 1,
    }


def test_the_feature_of_the_first_call_tells_kinds_apart():
    found = kinds(
        step("plan", 0, 1, "x", feature="search"),
        step("answer", 2, 3, "x"),
        step("plan", 0, 1, "y", feature="chat"),
        step("answer", 2, 3, "y", feature="search"),
    )
    assert {kind.feature for kind in found} == {"search", "chat"}


def test_of_calls_that_begin_together_chance_does_not_decide_what_the_workflow_is():
    steps = []
    for run in range(10):
        first, second = ("guard", "plan") if run % 2 else ("plan", "guard")
        at = 100 * run
        steps += [step(first, at, at + 2, f"r{run}"), step(second, at + 0.01, at + 1, f"r{run}")]
    steps += [step("plan", 5000 + 100 * run, 5001 + 100 * run, f"s{run}") for run in range(10)]
    steps += [step("answer", 5002 + 100 * run, 5003 + 100 * run, f"s{run}") for run in range(10)]
    (kind,) = kinds(*steps)
    assert kind.entry == "plan"


def test_what_an_owned_model_answers_at_once_is_still_beside_what_begins_with_it():
    steps = []
    for run in range(10):
        at = 100 * run
        first, second = ("guard", "plan") if run % 4 == 0 else ("plan", "guard")
        steps += [step(first, at, at + 0.001, f"r{run}"), step(second, at + 0.004, at + 0.005, f"r{run}")]
        steps += [step("answer", at + 1, at + 2, f"r{run}")]
    (kind,) = kinds(*steps)
    assert kind.entry == "plan"


def test_a_task_repeated_at_once_counts_once_in_the_path():
    steps = [*[step("search", n, n + 0.5) for n in range(5)], step("answer", 6, 7), step("search", 8, 9)]
    assert path(steps) == ("search", "answer", "search")


def test_a_session_that_pauses_is_two_runs_and_a_trace_is_one():
    late = APART_S + 10
    (sessions,) = kinds(*[step("a", at, at + 1, how="session") for at in (0, 5, late, late + 5)]).values()
    assert len(sessions) == 2
    (traces,) = kinds(*[step("a", at, at + 1) for at in (0, 5, late, late + 5)]).values()
    assert len(traces) == 1


def test_runs_of_one_call_are_no_workflow():
    meter = metered(step("a", 0, 1, "x"), step("a", 0, 1, "y"))
    assert (meter.kinds(), meter.single()) == ({}, 2)


def test_a_run_knows_when_it_ended_and_whether_its_times_are_known():
    ((run,),) = kinds(step("a", 0, 9), step("b", 1, 2, timed=False)).values()
    assert (run.started_us, run.ended_us, run.timed) == (0, 9_000_000, False)


def test_kinds_are_called_by_what_tells_them_apart():
    found = names(
        {
            Kind("trace", "help desk", "t1"): 9,
            Kind("trace", "search", "t1"): 9,
            Kind("trace", "search", "t2"): 9,
            Kind("trace", "", "t2"): 9,
            Kind("session", "", "t2"): 9,
            Kind("conversation", "", ""): 9,
        },
        {"t1": "plan", "t2": "answer"},
    )
    assert list(found.values()) == [
        "help_desk", "search.plan", "search.answer", "answer.trace", "answer.session", "unrecognised",
    ]  # fmt: skip


def test_a_name_that_is_two_things_is_given_to_one_of_them():
    kinds_ = [Kind("trace", "a.b", "x"), Kind("trace", "a", "b"), Kind("trace", "a", "c")]
    found = names(dict.fromkeys(kinds_, 5), {})
    assert len(set(found.values())) == 3
    assert found[kinds_[0]] == "a.b"


def test_a_few_odd_runs_rename_nothing():
    main, odd = Kind("trace", "agent", "plan"), Kind("trace", "agent", "answer")
    assert names({main: 100, odd: 3}, {}) == {main: "agent", odd: "agent.answer"}
    assert names({main: 100, odd: 60}, {}) == {main: "agent.plan", odd: "agent.answer"}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 1000), st.integers(0, 300), st.integers(0, 4)),
        min_size=2,
        max_size=40,
    )
)
def test_no_call_is_lost(drawn):
    steps = [step(task, start, start + took, f"r{run}") for task, start, took, run in drawn]
    meter = metered(*steps)
    runs = [run for found in meter.kinds().values() for run in found]
    assert sum(len(run.steps) for run in runs) + meter.single() == len(steps)
    sizes = {kind: len(found) for kind, found in meter.kinds().items()}
    assert len(set(names(sizes, {}).values())) == len(sizes)
