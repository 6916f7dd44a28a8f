"""One call's way: elsewhere at once, again after a pause, within the budget and the deadline, or not at all."""

from random import Random

import pytest
from tests.support.clock import Clock

from freehold.gateway.resilience._budget import RESERVE
from freehold.gateway.resilience.course import STOP, Course
from freehold.gateway.resilience.health import Health
from freehold.gateway.resilience.judgement import (
    BROKEN,
    HURRIED,
    REFUSED,
    SLOW,
    UNREACHABLE,
    Judgement,
)
from freehold.gateway.resilience.policy import LIVE, Policy, TargetName

A, B, C = TargetName("a", "m"), TargetName("b", "m"), TargetName("c", "m")
LIMITED = Judgement("limited", again=True, elsewhere=True, told_s=3.0)


class Bench:
    def __init__(self, *chain, total_s=60.0, **policy):
        self.clock = Clock()
        self.health = Health(Policy(**policy), self.clock, Random(5))
        self.chain = chain
        self.course = self.another(total_s)

    def another(self, total_s=60.0):
        return Course(self.health, self.chain, LIVE, self.clock() + total_s, streamed=False)

    def fail(self, step, judgement, seconds=0.0):
        """The attempt of a step fails."""
        self.clock.ahead(seconds)
        step.permit.done(judgement.verdict, told_s=judgement.told_s)
        return self.course.after(step.permit.target, judgement)

    def used_to(self, target, seconds):
        for _ in range(20):
            self.health.begin((target,), LIVE).done("ok", seconds)


def test_each_target_is_asked_once_at_once_then_one_again_after_a_pause():
    bench = Bench(A, B, C, retries=1)
    step = bench.course.first()
    for expected in (A, B, C):
        assert step.permit.target == expected
        step = bench.fail(step, BROKEN)
    assert step.permit is None
    assert 0.0 <= step.pause_s <= 0.25
    again = bench.course.resume()
    assert again.permit.target == A
    assert bench.fail(again, BROKEN) == STOP


def test_pauses_are_spread_and_grow():
    most = [0.0] * 4
    for _ in range(200):
        bench = Bench(A, retries=4, eject_after=0)
        bench.health.random.seed(_)
        step = bench.course.first()
        for place in range(4):
            step = bench.fail(step, UNREACHABLE)
            most[place] = max(most[place], step.pause_s)
            bench.clock.ahead(step.pause_s)
            step = bench.course.resume()
    for place, pause_s in enumerate(most):
        assert 0.8 * 0.25 * 2**place < pause_s <= 0.25 * 2**place


def test_a_refusal_ends_the_call_at_once():
    bench = Bench(A, B)
    assert bench.fail(bench.course.first(), REFUSED) == STOP


@pytest.mark.parametrize("judgement", [SLOW, HURRIED])
def test_a_slow_answer_is_looked_for_elsewhere_but_never_asked_for_again(judgement):
    bench = Bench(A, B)
    step = bench.fail(bench.course.first(), judgement)
    assert step.permit.target == B
    assert bench.fail(step, judgement) == STOP


def test_a_told_wait_is_kept_to():
    bench = Bench(A)
    step = bench.fail(bench.course.first(), LIMITED)
    assert 3.0 <= step.pause_s <= 3.25


def test_of_two_that_say_when_the_sooner_is_asked():
    bench = Bench(A, B)
    step = bench.fail(bench.course.first(), LIMITED._replace(told_s=9.0))
    step = bench.fail(step, LIMITED)
    bench.clock.ahead(step.pause_s)
    assert bench.course.resume().permit.target == B


def test_nobody_waits_longer_than_the_setting_or_the_deadline():
    bench = Bench(A, retry_wait_s=2.0)
    assert bench.fail(bench.course.first(), LIMITED) == STOP
    bench = Bench(A, total_s=2.0)
    assert bench.fail(bench.course.first(), LIMITED) == STOP


def test_nothing_begins_that_has_no_time_to_end():
    bench = Bench(A, B)
    bench.used_to(B, 5.0)
    bench.course = bench.another(12.0)
    assert bench.fail(bench.course.first(), BROKEN, seconds=6.9).permit.target == B
    bench.course = bench.another(12.0)
    step = bench.fail(bench.course.first(), SLOW, seconds=7.1)
    assert step == STOP


def test_a_single_target_that_is_ejected_is_still_asked_and_asked_again():
    bench = Bench(A)
    for _ in range(5):
        bench.health.begin((A,), LIVE).done("failed")
    step = bench.course.first()
    assert step.permit.resort
    assert bench.fail(step, UNREACHABLE).pause_s <= 0.25
    assert bench.course.resume().permit.resort


def test_when_all_are_out_further_attempts_are_paid_for():
    bench = Bench(A, B, retry_share=0.0)
    for target in (A, B):
        for _ in range(5):
            bench.health.begin((target,), LIVE).done("failed")
    attempts = 0
    for _ in range(50):
        bench.course = bench.another()
        step = bench.course.first()
        while step.permit is not None:
            attempts += 1
            step = bench.fail(step, SLOW)
    assert attempts == 50 + RESERVE


def test_the_budget_ends_retries():
    bench = Bench(A, retry_share=0.0, eject_after=0)
    paused = 0
    for _ in range(30):
        bench.course = bench.another()
        paused += bench.fail(bench.course.first(), UNREACHABLE).pause_s is not None
    assert paused == RESERVE


def test_a_full_first_choice_gives_way_and_full_ones_all_make_a_queue():
    bench = Bench(A, B, ceilings={"a": 1, "b": 1})
    assert [bench.another().first().permit.target for _ in range(2)] == [A, B]
    assert bench.course.first().full


def test_who_waits_for_room_elsewhere_after_a_retry_asks_there():
    """The second was out when the first failed, and is back but full when the first has failed again."""
    bench = Bench(A, B, retries=1, ceilings={"b": 1})
    while bench.health.spend(B):
        pass
    for _ in range(5):
        bench.health.begin((B,), LIVE).done("failed")
    while bench.health.spend(B):
        pass
    step = bench.fail(bench.course.first(), UNREACHABLE)
    assert step.pause_s is not None
    bench.clock.ahead(step.pause_s)
    again = bench.course.resume()
    bench.clock.ahead(6.1)
    bench.health.begin((B,), LIVE).done("ok")
    busy = bench.health.begin((B,), LIVE)
    assert bench.fail(again, UNREACHABLE).full
    busy.done("ok")
    assert bench.course.resume().permit.target == B


def test_a_hedge_goes_to_the_next_target_else_to_the_same():
    bench = Bench(A, B)
    step = bench.course.first()
    assert bench.course.hedge(step.permit.target).target == B
    alone = Bench(A)
    step = alone.course.first()
    assert alone.course.hedge(A).target == A
    alone.course = alone.another(0.01)
    alone.course.first()
    assert alone.course.hedge(A) is None
