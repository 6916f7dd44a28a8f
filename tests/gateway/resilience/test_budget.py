"""The retry budget bounds retries over every span of time, for every pattern of calls and failures."""

from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import Clock

from freehold.gateway.resilience._budget import FLOOR_PER_S, RESERVE, RetryBudget

shares = st.sampled_from([0.0, 0.1, 0.2, 1.0])
steps = st.lists(st.one_of(st.just("call"), st.just("retry"), st.floats(0, 20)), max_size=300)


@given(shares, steps)
def test_retries_stay_within_share_reserve_and_floor(share, script):
    clock = Clock()
    budget = RetryBudget(share, clock())
    began, calls, retries = clock.now, 0, 0
    for step in script:
        if step == "call":
            budget.put()
            calls += 1
        elif step == "retry":
            retries += budget.take(clock())
        else:
            clock.ahead(step)
        assert retries <= RESERVE + share * (calls + 1) + FLOOR_PER_S * (clock.now - began) + 1e-6
        assert 0.0 <= budget.tokens < RESERVE + 1.0


def test_little_traffic_still_has_some_retries():
    clock = Clock()
    budget = RetryBudget(0.0, clock())
    assert sum(budget.take(clock()) for _ in range(100)) == RESERVE
    clock.ahead(4.0)
    assert sum(budget.take(clock()) for _ in range(100)) == 4.0 * FLOOR_PER_S


def test_a_clock_that_steps_back_gives_nothing_and_takes_nothing():
    budget = RetryBudget(0.2, 1000.0)
    for _ in range(int(RESERVE)):
        budget.take(1000.0)
    assert not budget.take(10.0)
    assert budget.tokens >= 0
