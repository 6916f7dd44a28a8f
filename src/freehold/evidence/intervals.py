"""Exact binomial bounds (Clopper and Pearson, 1934), for one count or for arrays of counts.

They assume independent trials of equal probability and know nothing of how the trials were chosen: a bound at a place
that was picked because it looked good is no bound. Where there are no trials they answer [0, 1].

scipy is loaded at the first bound: much that can ask for one, and what-ifs above all, mostly asks for none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from freehold.vocabulary import Interval


def upper_bounds(errors: ArrayLike, trials: ArrayLike, delta: ArrayLike) -> NDArray[np.float64]:
    """One-sided upper bounds: the true rate is at most this, each with confidence 1 - delta."""
    from scipy import special

    k, n = np.broadcast_arrays(np.asarray(errors, float), np.asarray(trials, float))
    # The limit of the beta quantile as the successes run out is 1; scipy answers nan there.
    open_ended = k >= n
    bound = special.betaincinv(k + 1, np.where(open_ended, 1.0, n - k), 1 - np.asarray(delta, float))
    return np.where(open_ended, 1.0, bound)


def p_values(errors: ArrayLike, trials: ArrayLike, rate: float) -> NDArray[np.float64]:
    """P(at most that many errors) if the true rate were `rate`: the exact p-value of "the rate is at least `rate`"."""
    from scipy import special

    k, n = np.broadcast_arrays(np.asarray(errors, float), np.asarray(trials, float))
    return np.where(k >= n, 1.0, special.bdtr(k, n.astype(int), rate))


def upper(errors: int, trials: int, delta: float = 0.05) -> float:
    """One-sided upper bound of one count, with confidence 1 - delta. 1.0 where there are no trials."""
    return float(upper_bounds(errors, trials, delta))


def lower(errors: int, trials: int, delta: float = 0.05) -> float:
    """One-sided lower bound of one count, with confidence 1 - delta. 0.0 where there are no trials."""
    return 1.0 - upper(trials - errors, trials, delta)


def two_sided(errors: int, trials: int, level: float = 0.95) -> Interval:
    """The exact two-sided interval of one count: each tail holds half of 1 - level."""
    tail = (1 - level) / 2
    return Interval(lower(errors, trials, tail), upper(errors, trials, tail), level)


def quantile_ranks(n: int, q: float, level: float = 0.95) -> tuple[int, int] | None:
    """Which two of `n` values in order, counted from 0, hold a quantile between them with at least that confidence.

    For any distribution, of independent values: how many lie below the quantile is binomial (David and Nagaraja, Order
    Statistics, section 7.1). None: there are too few values for one.
    """
    from scipy import stats

    tail = (1 - level) / 2
    low, high = int(stats.binom.ppf(tail, n, q)) - 1, int(stats.binom.ppf(1 - tail, n, q))
    return (low, high) if low >= 0 and high < n else None


def trials_without_error(rate: float, delta: float) -> int:
    """How many trials without a single error it takes to promise `rate` with confidence 1 - delta."""
    return max(1, int(np.ceil(np.log(delta) / np.log1p(-rate) - 1e-9)))
