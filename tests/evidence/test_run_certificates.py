"""Promises about whole runs are kept, by simulation on the hardest worlds, and bear with odd data."""

import msgspec
import numpy as np
import pytest
from benchmarks.workflow_certificates import (
    ALPHA,
    DELTA,
    WORLDS,
    World,
    allowed_share,
    broken_by_answers,
    broken_by_looks,
    broken_by_runs,
    broken_by_steps,
    draw,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.errors import UsageError
from freehold.evidence import intervals
from freehold.evidence.bounded_means import mean_upper
from freehold.evidence.rivals import spent
from freehold.evidence.run_certificates import ByRuns, JudgedRun, StepFacts, by_runs, by_steps

FINE, BAD, PARTLY = JudgedRun(False, True), JudgedRun(True, False), JudgedRun(False, False)


@pytest.mark.parametrize("of", ["all", "whole"])
@pytest.mark.parametrize("name", list(WORLDS))
def test_a_promise_by_runs_is_broken_in_at_most_delta_of_the_draws(name, of):
    shares = [broken_by_runs(WORLDS[name], of, n, 200) for n in (60, 400)]
    assert max(shares) <= allowed_share(200, 3.5)


def test_looking_again_until_it_promises_is_paid_for():
    world = WORLDS["loops, hard runs err together"]
    kept, unspent = broken_by_looks(world, "whole", 200)
    assert kept <= allowed_share(200)
    assert unspent > allowed_share(200)  # the simulation can tell: as many looks at all of delta each break it


def test_a_promise_about_answers_is_none_about_runs():
    assert broken_by_answers(WORLDS["loops, all alike"], 2000, 300) > 0.4


@pytest.mark.parametrize("of", ["all", "whole"])
@pytest.mark.parametrize(("runs", "certified_on"), [(50, 250), (500, 2000)])
def test_a_promise_by_steps_is_broken_in_at_most_delta_of_the_draws(of, runs, certified_on):
    broken, tight = broken_by_steps(of, runs, certified_on, 150)
    assert broken <= allowed_share(150)
    assert tight > (0.04 if of == "whole" else 0.25)


def test_many_runs_make_the_bound_by_steps_tight():
    broken, tight = broken_by_steps("all", 5000, 5000, 40)
    assert broken <= allowed_share(40)
    assert tight > 0.85


@pytest.mark.parametrize("goes_on", ["kept", "lost"])
def test_what_is_measured_on_recorded_runs_holds_of_live_ones(goes_on):
    """After its first wrong answer a live run goes where it will: here all that follows is kept, or none of it.

    Runs with a wrong answer are as frequent as in the record, and of the runs kept whole no more are wrong than of
    those that are counted.
    """
    rng = np.random.default_rng(7)
    world = World(0.05, 20.0, 0.7, 0.9, 0.5)
    wrong = world.just_above("whole", 0.1)
    n, live_bad, live_whole, live_whole_bad, recorded = 40_000, 0, 0, 0, []
    for _ in range(n):
        (_, keeps, risk) = world.parts(wrong)[int(rng.random() < world.hard)]
        calls = rng.geometric(1 - world.more)
        kept, bad = rng.random(calls) < keeps, rng.random(calls) < risk
        first = next((at for at in range(calls) if kept[at] and bad[at]), None)
        recorded.append(JudgedRun(first is not None, bool(kept.all())))
        whole = kept.all() if first is None else goes_on == "kept" and kept[: first + 1].all()
        live_bad += first is not None
        live_whole += bool(whole)
        live_whole_bad += bool(whole) and first is not None
    counted = by_runs(recorded, of="whole", alpha=0.5, delta=DELTA)
    assert live_bad == sum(run.bad for run in recorded)
    assert counted.risk == pytest.approx(0.1, abs=4 * (0.09 / n) ** 0.5)
    assert live_whole_bad / live_whole <= counted.risk
    naive = sum(run.bad and run.whole for run in recorded) / sum(run.whole for run in recorded)
    assert (live_whole_bad / live_whole > naive + 0.015) == (
        goes_on == "kept"
    )  # counting whole runs alone would not do


def test_the_fewest_clean_runs_that_certify():
    assert by_runs([FINE] * 72, of="whole", alpha=0.05, delta=0.05).certified
    refused = by_runs([FINE] * 71, of="whole", alpha=0.05, delta=0.05)
    assert not refused.certified
    assert (refused.n, refused.risk_upper) == (71, pytest.approx(intervals.upper(0, 71, 0.025)))
    assert refused.runs_needed is not None
    assert refused.runs_needed > 0


def test_bad_runs_count_wherever_they_were_kept_and_others_only_where_whole():
    runs = [FINE] * 90 + [BAD] * 2 + [PARTLY] * 300
    whole = by_runs(runs, of="whole", alpha=0.1, delta=0.1)
    assert (whole.n, whole.n_bad, whole.n_whole, whole.n_judged, whole.risk) == (92, 2, 90, 392, 2 / 92)
    every = by_runs(runs, of="all", alpha=0.1, delta=0.1)
    assert (every.n, every.risk) == (392, 2 / 392)
    assert every.risk_upper < whole.risk_upper  # what holds of whole runs holds of all


def test_each_look_gets_its_part_of_delta():
    levels = [by_runs([FINE] * 100, of="all", alpha=0.1, delta=0.05, look=look).level for look in range(1, 400)]
    assert levels[:2] == [spent(0.05, 1), spent(0.05, 2)]
    assert sum(levels) <= 0.05


@pytest.mark.parametrize("of", ["all", "whole"])
def test_no_runs_promise_nothing_and_say_how_many_it_takes(of):
    found = by_runs([], of=of, alpha=0.05, delta=0.05)
    assert (found.certified, found.n, found.risk, found.risk_upper, found.runs_needed) == (False, 0, None, 1.0, 72)


def test_hopeless_workflows_are_told_so():
    assert by_runs([BAD] * 30 + [FINE] * 70, of="all", alpha=0.05, delta=0.05).runs_needed is None
    assert by_runs([PARTLY] * 100, of="whole", alpha=0.05, delta=0.05).runs_needed is None


def test_the_runs_that_were_asked_for_mostly_suffice():
    world, rng = WORLDS["loops, hard runs err together"], np.random.default_rng(3)
    wrong = world.just_above("whole", 0.02)
    suffices = []
    for _ in range(60):
        first = draw(world, wrong, 100, rng)
        found = by_runs(first, of="whole", alpha=ALPHA, delta=DELTA)
        if found.runs_needed:
            more = draw(world, wrong, found.runs_needed, rng)
            suffices.append(by_runs(first + more, of="whole", alpha=ALPHA, delta=DELTA, look=2).certified)
    assert len(suffices) > 30
    assert np.mean(suffices) >= 0.6


@settings(max_examples=100, deadline=None)
@given(
    runs=st.lists(st.builds(JudgedRun, st.booleans(), st.booleans()), max_size=120),
    of=st.sampled_from(["all", "whole"]),
    alpha=st.floats(1e-4, 1 - 1e-4),
    delta=st.floats(1e-6, 1 - 1e-6),
    look=st.integers(1, 50),
)
def test_no_data_raises_and_every_answer_is_consistent(runs, of, alpha, delta, look):
    found = by_runs(runs, of=of, alpha=alpha, delta=delta, look=look)
    assert found.certified == (found.n > 0 and found.risk_upper <= alpha)
    assert (found.runs_needed == 0) == found.certified
    assert msgspec.json.decode(msgspec.json.encode(found), type=ByRuns) == found


def facts(alpha=0.01, delta=0.005, coverage=0.9, certified_on=2000, calls=(1, 2, 3) * 300, outside=0):
    inside = sum(calls)
    return StepFacts(alpha, delta, coverage, certified_on, list(calls), inside, inside + outside)


def test_steps_add_up_by_how_often_they_are_kept():
    found = by_steps([facts(), facts(alpha=0.02)], of="all", alpha=0.1, delta=0.05, most_calls=5)
    one, other = found.parts
    assert found.certified
    assert found.risk_upper == pytest.approx(one.adds + other.adds)
    assert other.adds == pytest.approx(2 * one.adds)
    assert one.calls_per_run == 2.0
    assert 2.0 < one.calls_upper < 2.2
    assert 0.9 < one.keeps_upper < 0.96
    assert one.adds == pytest.approx(one.calls_upper / one.share_lower * one.keeps_upper * 0.01)


def test_a_task_that_is_mostly_used_elsewhere_may_have_all_its_errors_here():
    alone = by_steps([facts()], of="all", alpha=0.1, delta=0.05, most_calls=5)
    shared = by_steps([facts(outside=1800)], of="all", alpha=0.1, delta=0.05, most_calls=5)
    assert shared.risk_upper > 1.9 * alone.risk_upper


def test_certificates_that_may_fail_too_often_together_promise_nothing():
    found = by_steps([facts(delta=0.03), facts(delta=0.03)], of="all", alpha=0.5, delta=0.05, most_calls=5)
    assert (found.certified, found.risk_upper, found.delta_short) == (False, 1.0, 0.06)


def test_whole_runs_need_steps_that_keep_nearly_all():
    sure = by_steps([facts(coverage=1.0)], of="whole", alpha=0.1, delta=0.05, most_calls=5, odd_runs=(0, 900))
    unsure = by_steps([facts(coverage=0.4)], of="whole", alpha=0.1, delta=0.05, most_calls=5, odd_runs=(0, 900))
    assert sure.whole_lower > 0.8
    assert sure.risk_upper > sum(part.adds for part in sure.parts)
    assert (unsure.whole_lower, unsure.risk_upper, unsure.certified) == (0.0, 1.0, False)


def test_alphas_that_would_do_are_told():
    found = by_steps([facts(alpha=0.05)], of="all", alpha=0.05, delta=0.05, most_calls=5)
    assert not found.certified
    again = by_steps([facts(alpha=0.05 * found.scale)], of="all", alpha=0.05, delta=0.05, most_calls=5)
    assert again.risk_upper == pytest.approx(0.05)


@pytest.mark.parametrize(("alpha", "delta"), [(0.0, 0.05), (1.0, 0.05), (0.05, 0.0), (0.05, 1.0), (float("nan"), 0.05)])
def test_impossible_levels_are_refused(alpha, delta):
    with pytest.raises(UsageError):
        by_runs([FINE], of="all", alpha=alpha, delta=delta)
    with pytest.raises(UsageError):
        by_steps([facts()], of="all", alpha=alpha, delta=delta, most_calls=5)


@pytest.mark.parametrize("n", [5, 50, 500])
@pytest.mark.parametrize("shape", ["rare and large", "short and long", "coin"])
def test_a_bound_of_a_mean_lies_below_it_in_at_most_delta_of_the_draws(shape, n):
    rng = np.random.default_rng([n, len(shape)])
    make = {
        "rare and large": lambda: 20.0 * (rng.random(n) < 0.02),
        "short and long": lambda: np.where(rng.random(n) < 0.9, 1.0, 20.0),
        "coin": lambda: 20.0 * (rng.random(n) < 0.5),
    }[shape]
    true = {"rare and large": 0.4, "short and long": 2.9, "coin": 10.0}[shape]
    bounds = [mean_upper(make(), 20.0, DELTA) for _ in range(200)]
    assert np.mean([bound < true for bound in bounds]) <= allowed_share(200)
    assert all(bound <= 20.0 for bound in bounds)


def test_a_bound_of_a_mean_is_as_wide_as_what_is_not_known():
    assert mean_upper([], 7.0, 0.05) == 7.0
    assert mean_upper([3.0] * 5000, 20.0, 0.05) == pytest.approx(3.0, abs=0.05)
    assert mean_upper([0.0] * 5000, 20.0, 0.05) < 0.02
