"""An upper confidence bound of a mean whose values lie in a known range, by betting; exact for every sample size.

Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting (JRSS B, 2024), one-sided: the stake of
somebody who bets that the mean is below m never grows in expectation if it is m or more, so it ever reaches 1 / delta
with probability at most delta (Ville). Values must be independent of one another, and in an order that nobody chose.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_MOST_STAKE = 0.75  # of what could be lost at once
_HALVINGS = 40


def mean_upper(values: Sequence[float], most: float, delta: float) -> float:
    """With confidence 1 - delta the mean is at most this. Every value lies between 0 and `most`.

    `most` where there are no values: nothing is known.
    """
    if not len(values) or most <= 0:
        return most
    rests = 1 - np.asarray(values, dtype=np.float64) / most  # their mean has a lower bound
    bets = _bets(rests, delta)
    low, high = 0.0, float(rests.mean())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _refuted(rests, bets, middle, delta) else (low, middle)
    return most * (1 - low)


def _bets(values: NDArray[np.float64], delta: float) -> NDArray[np.float64]:
    """How much to bet on each value, from those before it alone: more where they spread little."""
    n = len(values)
    seen = np.arange(1, n + 1)
    means = (0.5 + np.cumsum(values)) / (seen + 1)
    spreads = (0.25 + np.cumsum((values - means) ** 2)) / (seen + 1)
    before = np.concatenate(([0.25], spreads[:-1]))
    return np.sqrt(2 * np.log(1 / delta) / (n * before))


def _refuted(values: NDArray[np.float64], bets: NDArray[np.float64], mean: float, delta: float) -> bool:
    """Whether the stake against "the mean of these is at most that" ever reached 1 / delta."""
    stakes = np.minimum(bets, _MOST_STAKE / mean) if mean > 0 else bets
    return bool(np.cumsum(np.log1p(stakes * (values - mean))).max() >= np.log(1 / delta))
