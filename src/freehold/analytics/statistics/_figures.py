"""A statistic with what it rests on, and the intervals that statistics come with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from freehold.evidence.intervals import quantile_ranks, two_sided
from freehold.vocabulary import Interval

LEVEL = 0.95
INDEPENDENT = "takes calls to be independent"


class Statistic(msgspec.Struct, frozen=True):
    """One thing measured about a task's calls.

    `value` is in `unit`, None where it cannot be told. It rests on `n` observations, of `of` that there were. Where
    there is no `interval` (or no value), `why` says why; where there is one, what it takes for granted. `note`: what
    helps to read this value.
    """

    name: str
    group: str
    value: float | None
    unit: str
    n: int
    of: int
    definition: str
    interval: Interval | None = None
    why: str = ""
    note: str = ""


class Group:
    """Makes the statistics of one group. `of`: how many there were of what they are sampled from."""

    def __init__(self, name: str, of: int = 0) -> None:
        self._name, self._of = name, of
        self.made: list[Statistic] = []

    def add(
        self,
        name: str,
        value: float | None,
        unit: str,
        n: int,
        definition: str,
        *,
        interval: Interval | None = None,
        why: str = "",
        note: str = "",
    ) -> None:
        """Put in a statistic as it is."""
        found = Statistic(name, self._name, value, unit, n, max(n, self._of), definition, interval, why, note)
        self.made.append(found)

    def share(self, name: str, k: int, n: int, definition: str, *, why: str = "", note: str = "") -> None:
        """Put in a share of `n`, with its exact interval (Clopper and Pearson)."""
        said = why or INDEPENDENT
        if not n:
            self.add(name, None, "share", 0, definition, why=why or "there is nothing to count")
        else:
            self.add(name, k / n, "share", n, definition, interval=two_sided(k, n, LEVEL), why=said, note=note)

    def quantile(self, name: str, values: Sequence[float], q: float, unit: str, definition: str) -> None:
        """Put in a quantile; its interval lies between two order statistics, and is exact for any distribution."""
        n = len(values)
        if not n:
            self.add(name, None, unit, 0, definition, why="there is nothing to measure")
            return
        ordered = sorted(values)
        ranks = quantile_ranks(n, q, LEVEL)
        interval = Interval(float(ordered[ranks[0]]), float(ordered[ranks[1]]), LEVEL) if ranks else None
        why = INDEPENDENT if interval else f"{n} values are too few for an interval of this quantile"
        self.add(name, float(np.quantile(ordered, q)), unit, n, definition, interval=interval, why=why)

    def mean(self, name: str, values: Sequence[float], unit: str, definition: str) -> None:
        """Put in a mean with its interval by Student's t."""
        n = len(values)
        if not n:
            self.add(name, None, unit, 0, definition, why="there is nothing to measure")
            return
        if n < 8:
            self.add(name, fmean(values), unit, n, definition, why=f"{n} values are too few for an interval")
            return
        half = float(stats.t.ppf(0.975, n - 1)) * stdev(values) / math.sqrt(n)
        middle = fmean(values)
        interval = Interval(middle - half, middle + half, LEVEL)
        self.add(name, middle, unit, n, definition, interval=interval, why=INDEPENDENT)


def regression(
    design: NDArray[np.float64], target: NDArray[np.float64], lags: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least squares: the coefficients and their standard errors, which bear with neighbours that go together.

    The errors are those of Newey and West (1987) with `lags` lags and the usual correction for few observations; they
    are somewhat too small where there are few.
    """
    n, k = design.shape
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ target
    scores = design * (target - design @ beta)[:, None]
    middle = scores.T @ scores
    for lag in range(1, min(lags, n - 1) + 1):
        both = scores[lag:].T @ scores[:-lag]
        middle += (1 - lag / (lags + 1)) * (both + both.T)
    covariance = inverse @ middle @ inverse * n / max(1, n - k)
    return beta, np.sqrt(np.maximum(np.diag(covariance), 0.0))
