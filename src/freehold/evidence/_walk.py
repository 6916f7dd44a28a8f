"""How many errors each threshold may show, so that all thresholds together are wrong with probability delta at most.

Thresholds are tried on one set of answers sorted by confidence, so the errors counted above ever looser thresholds
are one growing count. If every answer were wrong with probability exactly `rate`, that count would be a random walk,
and the probability that it is ever at or below a boundary follows by dynamic programming. The boundary used here allows
at each threshold the errors of an exact binomial test at one common level, the largest for which that probability is at
most delta. It knows nothing of where the counts come from.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

Counts = NDArray[np.int64]


@lru_cache(maxsize=4096)
def boundary(kept: tuple[int, ...], rate: float, delta: float) -> tuple[Counts, float]:
    """Allowed errors at each of the growing numbers of kept answers, and the common level of the single tests.

    -1 stands for a threshold at which no count would do. The level lies between delta / len(kept), which is what
    Bonferroni would give, and delta.
    """
    sizes = np.asarray(kept, dtype=np.int64)
    if crossing(sizes, allowed_errors(sizes, rate, delta), rate) <= delta:
        return allowed_errors(sizes, rate, delta), delta
    low, high = delta / len(kept), delta
    for _ in range(12):
        middle = float(np.sqrt(low * high))
        if crossing(sizes, allowed_errors(sizes, rate, middle), rate) <= delta:
            low = middle
        else:
            high = middle
    return allowed_errors(sizes, rate, low), low


def allowed_errors(kept: Counts, rate: float, level: float) -> Counts:
    """The most errors among that many answers that reject "wrong with probability `rate`" at `level`; -1 for none."""
    guess = np.nan_to_num(special.bdtrik(level, kept, rate), nan=-1.0)
    allowed = np.floor(guess + 1e-9).astype(np.int64)
    # bdtrik interpolates, and answers nan or a negative number where no count fits: settle it by the exact tail.
    for _ in range(2):
        allowed -= (allowed >= 0) & (special.bdtr(np.maximum(allowed, 0), kept, rate) > level)
    return np.maximum(allowed, -1)


def crossing(kept: Counts, allowed: Counts, rate: float) -> float:
    """P(the count of errors is at or below its allowance at any of the sizes), each answer wrong with `rate`."""
    most = int(allowed.max())
    steps = np.diff(kept, prepend=0)
    first, alive, total = 0, np.array([1.0]), 0.0  # alive[i]: P(first + i errors so far, and never crossed)
    for step, allowance in zip(steps.tolist(), allowed.tolist(), strict=True):
        least, chances = _pmf(step, rate)
        first, alive = first + least, np.convolve(alive, chances)
        # Counts beyond the largest allowance can never cross again, for errors only grow: they are dropped.
        alive = alive[: max(0, most + 1 - first)]
        crossed = max(0, allowance + 1 - first)
        total += float(alive[:crossed].sum())
        first, alive = first + crossed, alive[crossed:]
        if not len(alive):
            break
    return total


def _pmf(trials: int, rate: float) -> tuple[int, NDArray[np.float64]]:
    """The binomial probabilities within ten standard deviations, and the count the first of them belongs to."""
    reach = 10 * np.sqrt(trials * rate * (1 - rate)) + 20
    least = max(0, int(trials * rate - reach))
    errors = np.arange(least, min(trials, int(trials * rate + reach)) + 1)
    log_choose = -special.betaln(trials - errors + 1, errors + 1) - np.log1p(trials)
    return least, np.exp(log_choose + errors * np.log(rate) + (trials - errors) * np.log1p(-rate))
