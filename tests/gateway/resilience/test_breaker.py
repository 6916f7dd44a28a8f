"""The breaker: what ejects a target, how it comes back, and what a target that flaps at our own period can do to us."""

import itertools
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.support.clock import Clock

from freehold.gateway.resilience._breaker import Breaker


def breaker(after=5, first_s=5.0, seed=1):
    return Breaker(after, first_s, Random(seed))


def fail(one, clock, times):
    return [one.failed(clock()) for _ in range(times)]


def test_failures_in_a_row_eject():
    one, clock = breaker(), Clock()
    assert fail(one, clock, 5) == [False] * 4 + [True]
    assert not one.closed
    assert 4.0 <= one.until - clock.now <= 6.0


def test_one_good_answer_starts_the_row_again():
    one, clock = breaker(), Clock()
    for _ in range(3):
        assert not any(fail(one, clock, 4))
        one.answered()
    assert one.closed


@pytest.mark.parametrize(("bad", "good", "ejected"), [(1, 1, True), (2, 3, False), (1, 9, False), (2, 1, True)])
def test_half_of_the_last_answers_eject(bad, good, ejected):
    one, clock = breaker(after=5), Clock()
    for _ in range(40):
        fail(one, clock, bad)
        for _ in range(good):
            if one.closed:
                one.answered()
        clock.ahead(0.1)
        if not one.closed:
            break
    assert (not one.closed) == ejected


def test_failures_of_long_ago_are_no_half():
    one, clock = breaker(after=100), Clock()
    for _ in range(200):
        fail(one, clock, 1)
        one.answered()
        clock.ahead(61.0)
    assert one.closed


def test_zero_never_ejects():
    one, clock = breaker(after=0), Clock()
    assert not any(fail(one, clock, 500))


def test_one_probe_at_a_time_and_a_lost_one_is_replaced():
    one, clock = breaker(), Clock()
    fail(one, clock, 5)
    assert not one.probe_due(clock())
    clock.now = one.until
    assert one.probe_due(clock())
    one.probe(clock())
    assert not one.probe_due(clock())
    one.unprobe()
    assert one.probe_due(clock())
    one.probe(clock())
    clock.ahead(7.0)
    assert one.probe_due(clock())


def test_ejections_grow_to_two_minutes_and_are_forgiven_in_time():
    one, clock = breaker(), Clock()
    fail(one, clock, 5)
    spans = []
    for _ in range(12):
        spans.append(one.until - clock.now)
        clock.now = one.until
        one.probe(clock())
        one.eject(clock())
    assert all(late > early * 1.3 for early, late in itertools.pairwise(spans[:5]))
    assert 96 <= spans[-1] <= 144
    one.close(clock())
    clock.ahead(3600 * 24)
    fail(one, clock, 5)
    assert one.until - clock.now <= 6.0


def test_one_that_has_just_come_back_goes_sooner():
    one, clock = breaker(), Clock()
    fail(one, clock, 5)
    clock.now = one.until
    one.close(clock())
    assert fail(one, clock, 2) == [False, True]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("period_s", [2.0, 5.0, 10.0, 20.0, 40.0])
def test_a_target_that_flaps_at_our_period_meets_us_less_and_less(period_s, seed):
    """A call every 50 ms for an hour; the target is up for a period, then down for one. Of the calls that would have
    failed, less than one in fifty does, and in the last tenth of the hour no more than in the first."""
    one, clock = breaker(seed=seed), Clock(0.0)
    failures, down, by_tenth = 0, 0, [0] * 10
    while clock.now < 3600.0:
        is_down = int(clock.now / period_s) % 2 == 1
        down += is_down
        if one.closed or one.probe_due(clock()):
            by_tenth[int(clock.now / 360)] += is_down
            failures += is_down
            probing = not one.closed
            if probing:
                one.probe(clock())
            if not is_down:
                one.close(clock()) if probing else one.answered()
            elif probing:
                one.eject(clock())
            else:
                one.failed(clock())
        clock.ahead(0.05)
    assert failures < down / 50
    assert by_tenth[-1] <= by_tenth[0]


class BreakerMachine(RuleBasedStateMachine):
    """Any order of events: never two probes at once, never open for ever, never closed by anything but evidence."""

    def __init__(self):
        super().__init__()
        self.clock = Clock()
        self.one = breaker(seed=3)
        self.probing = False
        self.epoch = 0

    @rule(seconds=st.floats(0, 400))
    def time_passes(self, seconds):
        self.clock.ahead(seconds)

    @precondition(lambda self: self.one.closed)
    @rule()
    def answers(self):
        self.one.answered()
        assert self.one.closed

    @precondition(lambda self: self.one.closed)
    @rule(times=st.integers(1, 6))
    def fails(self, times):
        for _ in range(times):
            if self.one.closed and self.one.failed(self.clock()):
                self.probing = False
                self.epoch += 1

    @precondition(lambda self: not self.one.closed)
    @rule()
    def probe_is_sent(self):
        if self.one.probe_due(self.clock()):
            self.one.probe(self.clock())
            self.probing = True
            assert not self.one.probe_due(self.clock())

    @precondition(lambda self: self.probing)
    @rule(result=st.sampled_from(["up", "down", "nothing"]))
    def probe_ends(self, result):
        self.probing = False
        if result == "up":
            self.one.close(self.clock())
            assert self.one.closed
        elif result == "down":
            self.one.eject(self.clock())
            self.epoch += 1
        else:
            self.one.unprobe()
            assert self.one.probe_due(self.clock())

    @invariant()
    def an_ejection_ends(self):
        if not self.one.closed:
            assert self.one.until - self.clock() <= 144.0
            assert self.one.probe_due(max(self.one.until, self.clock()) + 145.0)

    @invariant()
    def epochs_count_ejections(self):
        assert self.one.epoch == self.epoch


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
