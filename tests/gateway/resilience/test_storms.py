"""Storms: calls against failing providers on simulated time. None is made here, and none is prolonged."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.storms import Storm

from freehold.gateway.resilience._budget import FLOOR_PER_S, RESERVE
from freehold.gateway.resilience.judgement import BROKEN, CANCELLED, HURRIED, OK, REFUSED, SLOW, UNREACHABLE, Judgement
from freehold.gateway.resilience.policy import AUDIT, LIVE, TEACHER, Policy, TargetName

A, B = TargetName("a", "m"), TargetName("b", "m")
LIMITED = Judgement("limited", again=True, elsewhere=True, told_s=1.0)
OVERLOADED = Judgement("overloaded", again=True, elsewhere=True)


def steady(storm, per_s, seconds, *chain, start=0.0, priority=LIVE):
    for number in range(int(per_s * seconds)):
        storm.call(start + number / per_s, *chain, priority=priority)
    return storm


@pytest.mark.parametrize("judgement", [UNREACHABLE, OVERLOADED, LIMITED], ids=["5xx", "529", "429"])
@pytest.mark.parametrize("rate", [0.01, 0.5, 1.0])
def test_attempts_stay_within_one_plus_the_budget(rate, judgement):
    dice, policy = Random(3), Policy(retries=5, retry_share=0.2)
    seconds, per_s = 120, 50
    storm = Storm(lambda *_: (judgement if dice.random() < rate else OK, 0.2), policy)
    steady(storm, per_s, seconds, A).run()
    calls = per_s * seconds
    assert storm.attempts() <= calls * 1.2 + RESERVE + FLOOR_PER_S * (seconds + 60)
    assert storm.ends()["ok"] > calls * {0.01: 0.999, 0.5: 0.55, 1.0: -1.0}[rate]


def test_a_second_provider_hides_an_outage_of_the_first():
    def fate(target, now):
        return (UNREACHABLE, 0.01) if target == A and 60 <= now < 1860 else (OK, 0.5)

    storm = steady(Storm(fate), 20, 2400, A, B).run()
    assert storm.ends()["ok"] == len(storm.calls)
    wasted = sum(target == A and 60 <= at < 1860 for one in storm.calls for target, at in one.attempts)
    assert wasted < 40
    last = [one.attempts[-1][0] for one in storm.calls[-100:]]
    assert last == [A] * 100


def test_a_provider_that_hangs_costs_a_few_calls_their_patience_and_no_more():
    def fate(target, now):
        return (SLOW, 40.0) if target == A and now >= 60 else (OK, 0.5)

    storm = steady(Storm(fate), 20, 600, A, B).run()
    assert storm.ends()["ok"] == len(storm.calls)
    slow = sum(one.over - one.came > 5 for one in storm.calls)
    assert slow <= 20 * 5 + 40  # those on their way when the silence was noticed, then the probes


def test_after_the_storm_calls_are_answered_again_at_once():
    storm = Storm(lambda _, now: (UNREACHABLE if 10 <= now < 40 else OK, 0.1))
    steady(storm, 50, 120, A).run()
    after = [one for one in storm.calls if one.came > 41]
    assert all(one.ended == "ok" and len(one.attempts) == 1 for one in after)


@pytest.mark.parametrize("period_s", [1.0, 5.0, 10.0, 60.0])
def test_a_provider_that_flaps_costs_no_answers_and_few_attempts(period_s):
    def fate(target, now):
        return (OVERLOADED, 0.05) if target == A and int(now / period_s) % 2 else (OK, 0.2)

    storm = steady(Storm(fate), 20, 1200, A, B).run()
    assert storm.ends()["ok"] == len(storm.calls)
    assert storm.attempts() < len(storm.calls) * 1.03


def test_clients_that_leave_are_not_failures():
    dice = Random(9)
    storm = Storm(lambda *_: (CANCELLED if dice.random() < 0.9 else OK, 0.05))
    steady(storm, 50, 120, A, B).run()
    assert storm.attempts("b") == 0
    assert storm.attempts("a") == len(storm.calls)


def test_what_we_gave_up_too_early_is_no_failure():
    storm = steady(Storm(lambda target, _: (HURRIED if target == A else OK, 0.05)), 50, 60, A, B).run()
    assert storm.attempts("a") == len(storm.calls)


def test_a_provider_that_bears_a_hundred_at_once_is_sent_about_that():
    under_way = [0, 0]

    def fate(_, now):
        under_way[0] = sum(end > now for end in ends)
        if under_way[0] >= 100:
            return OVERLOADED, 0.01
        ends.append(now + 1.0)
        if len(ends) > 500:
            del ends[:200]
        return OK, 1.0

    ends = []
    storm = steady(Storm(fate, Policy(max_queued=200, eject_after=0)), 150, 60, A).run()
    late = [one for one in storm.calls if one.came > 20]
    answered = sum(one.ended == "ok" for one in late) / 40
    assert answered > 80  # of the hundred a second that it can answer
    assert storm.ends()["shed"] > 0
    assert all(one.over - one.came <= 10.0 + 1.01 for one in late if one.ended == "ok")


def test_under_load_the_living_are_served_first():
    storm = Storm(lambda *_: (OK, 1.0), Policy(max_in_flight=50, max_queued=60, queue_timeout_s=5.0))
    steady(storm, 40, 60, A)
    audits = len(storm.calls)
    steady(storm, 40, 60, A, priority=AUDIT)
    teacher = len(storm.calls)
    steady(storm, 40, 60, A, priority=TEACHER)
    storm.run()
    done = [one.ended == "ok" for one in storm.calls]
    assert sum(done[:audits]) == audits
    assert 0 < sum(done[teacher:]) + sum(done[audits:teacher]) < audits
    assert sum(done[audits:teacher]) > sum(done[teacher:])


verdicts = st.sampled_from([OK, BROKEN, UNREACHABLE, SLOW, HURRIED, CANCELLED, REFUSED, OVERLOADED, LIMITED,
                            Judgement("spent", elsewhere=True), LIMITED._replace(told_s=40.0)])  # fmt: skip
scripts = st.lists(st.tuples(verdicts, st.floats(0.0, 30.0)), min_size=1, max_size=30)
policies = st.fixed_dictionaries(
    {
        "retries": st.integers(0, 4),
        "retry_share": st.sampled_from([0.0, 0.2]),
        "max_in_flight": st.integers(1, 20),
        "max_queued": st.integers(0, 10),
        "eject_after": st.integers(0, 5),
    }
).map(lambda fields: Policy(**fields))


@given(scripts, policies, st.lists(st.floats(0, 2), min_size=1, max_size=60), st.integers(1, 3), st.integers(0, 99))
@settings(deadline=None, max_examples=100)
def test_whatever_fails_calls_end_in_time_and_providers_are_spared(script, policy, gaps, width, seed):
    chain = tuple(TargetName(provider, "m") for provider in "abc"[:width])
    dice = Random(seed)
    storm = Storm(lambda *_: dice.choice(script), policy, seed, total_s=20.0)
    now = 0.0
    for gap in gaps:
        now += gap
        storm.call(now, *chain, priority=dice.choice([LIVE, LIVE, AUDIT, TEACHER]))
    storm.run()
    calls = len(storm.calls)
    spent = storm.clock.now
    for provider in "abc"[:width]:
        made = storm.attempts(provider)
        assert made <= calls * (1 + policy.retry_share) + RESERVE + FLOOR_PER_S * spent
    for one in storm.calls:
        assert one.ended
        assert len(one.attempts) <= width + policy.retries
        for _, at in one.attempts:
            assert at <= one.came + 20.0 + policy.queue_timeout_s
    assert storm.health.in_flight == 0
    assert storm.health._room.count == 0
