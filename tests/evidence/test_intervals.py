"""Exact binomial bounds, against published values and SciPy's own."""

import numpy as np
import pytest
from scipy import stats

from freehold.evidence import intervals


@pytest.mark.parametrize(
    ("errors", "trials", "low", "high"),
    # Clopper-Pearson 95 % intervals as printed in tables (Documenta Geigy, rounded to four places).
    [
        (0, 10, 0.0, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (10, 10, 0.6915, 1.0),
        (3, 50, 0.0125, 0.1655),
    ],
)
def test_two_sided_as_tabulated(errors: int, trials: int, low: float, high: float) -> None:
    found = intervals.two_sided(errors, trials)
    assert (round(found.low, 4), round(found.high, 4), found.level) == (low, high, 0.95)


@pytest.mark.parametrize("trials", [1, 2, 59, 1000])
def test_bounds_equal_scipy(trials: int) -> None:
    for errors in {0, 1, trials // 3, trials - 1, trials}:
        exact = stats.binomtest(errors, trials).proportion_ci(0.95, "exact")
        ours = intervals.two_sided(errors, trials)
        assert ours.low == pytest.approx(exact.low, abs=1e-10)
        assert ours.high == pytest.approx(exact.high, abs=1e-10)
        less = stats.binomtest(errors, trials, alternative="less").proportion_ci(0.95, "exact")
        assert intervals.upper(errors, trials, 0.05) == pytest.approx(less.high, abs=1e-10)


def test_p_values_and_bounds_say_the_same() -> None:
    trials = np.repeat([20, 59, 60, 300], 5)
    errors = np.array([0, 1, 2, 5, 20] * 4)
    rejected = intervals.p_values(errors, trials, 0.05) <= 0.05
    assert (rejected == (intervals.upper_bounds(errors, trials, 0.05) <= 0.05)).all()
    assert intervals.p_values(2, 60, 0.05) == pytest.approx(stats.binom.cdf(2, 60, 0.05))


@pytest.mark.parametrize(
    ("rate", "trials", "errors"), [(0.05, 59, 0), (0.05, 153, 3), (0.02, 149, 0), (0.02, 386, 3), (0.01, 299, 0)]
)
def test_the_least_samples_for_a_bound(rate: float, trials: int, errors: int) -> None:
    """95 % upper bounds: one trial fewer misses the rate."""
    assert intervals.upper(errors, trials, 0.05) <= rate < intervals.upper(errors, trials - 1, 0.05)
    if errors == 0:
        assert intervals.trials_without_error(rate, 0.05) == trials


def test_without_trials_nothing_is_known() -> None:
    found = intervals.two_sided(0, 0)
    assert (found.low, found.high) == (0.0, 1.0)
    assert (intervals.upper(0, 0), intervals.lower(0, 0)) == (1.0, 0.0)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_the_narrowest_ranks_that_hold_a_quantile_often_enough(q: float) -> None:
    """The quantile lies between them where at least `low` + 1 and at most `high` values lie below it."""
    for n in (6, 60, 700):
        found = intervals.quantile_ranks(n, q)
        if found is None:
            assert q**n > 0.025 or (1 - q) ** n > 0.025
            continue
        low, high = found
        assert stats.binom.cdf(high, n, q) - stats.binom.cdf(low, n, q) >= 0.95
        assert stats.binom.cdf(low + 1, n, q) >= 0.025
        assert stats.binom.sf(high - 1, n, q) > 0.025
