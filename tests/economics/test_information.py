"""What knowing is worth: against payoffs whose answer is arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from freehold.economics.information import basis, regret, worth_of, worth_of_all, worth_of_waiting

N = 4001
GENERATOR = np.random.default_rng(3)
X, Y = (ndtri((GENERATOR.permutation(N) + 0.5) / N) for _ in range(2))
PAYOFFS = np.stack([np.zeros(N), 100 * X + 100 * Y - 50])
"""Nothing, or a bet with a mean of -50 and two equal parts of chance."""


def _gain(spread: float, mean: float = -50.0) -> float:
    """E[max(0, normal)]."""
    z = mean / spread
    return spread * float(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)) + mean * float(np.mean(np.asarray(z) > -X))


def test_knowing_one_part_and_all_parts_are_worth_what_arithmetic_says() -> None:
    one, everything = worth_of(PAYOFFS, [X]), worth_of_all(PAYOFFS)
    assert float(one.low) <= _gain(100) <= float(one.high)
    assert float(everything.low) <= _gain(100 * 2**0.5) <= float(everything.high)
    assert one.value < everything.value


def test_two_columns_together_are_worth_as_much_as_all() -> None:
    assert float(worth_of(PAYOFFS, [X, Y]).value) == pytest.approx(float(worth_of_all(PAYOFFS).value), rel=0.05)


def test_knowing_what_has_no_part_in_it_is_worth_nothing() -> None:
    for seed in range(10):
        idle = np.random.default_rng(seed).normal(size=N)
        assert float(worth_of(PAYOFFS, [idle]).low) == 0


def test_the_best_option_on_average_has_the_least_regret() -> None:
    losses = [float(regret(PAYOFFS, row).value) for row in PAYOFFS]
    assert losses[0] == pytest.approx(float(worth_of_all(PAYOFFS).value))
    assert losses[1] - losses[0] == pytest.approx(50, abs=1)


def test_waiting_is_worth_what_is_learned_less_what_is_missed() -> None:
    seen = basis([X])
    free = worth_of_waiting(PAYOFFS, PAYOFFS, seen)
    dear = worth_of_waiting(PAYOFFS + 500, PAYOFFS, seen)
    assert float(free.value) == pytest.approx(_gain(100), rel=0.2)
    assert float(dear.value) == pytest.approx(float(free.value) - 500, abs=1)
