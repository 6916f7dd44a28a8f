"""How the errors of a run's single answers add up to the error of the whole run.

A run is wrong where any of its answers is. Two ways to tell how often that is from the steps' own error rates:

- The union bound: the number of wrong answers in a run is expected to be the sum, over the steps, of answers a run
  times the share of them that is wrong; a run can only be wrong if that number is at least one, so no more runs are
  wrong than that (Boole; Markov). It takes nothing for granted: steps may err together or apart, and runs may differ in
  length.
- Independence, which is an assumption: each answer errs by itself. Where hard runs err at every step, fewer runs are
  wrong than that; where steps take turns to err, more.

Pure numbers: nothing here knows what a step is or who judged it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from freehold.vocabulary import Interval

from .intervals import two_sided

LEAST_TOGETHER = 30
"""Fewer runs than this in which both of two steps were judged say nothing of how they err together."""


class Together(msgspec.Struct, frozen=True):
    """How two steps of the same run err together, of the `n` runs in which both were judged.

    `first_wrong` and `second_wrong` count the runs in which each erred, `both` those in which both did; `interval` is
    the exact 95 % interval of that share. If they were independent, `expected` runs would have both. `phi` is the
    correlation of the two, from -1 to 1, None where one of them never or always erred. `p_value`: how likely a table as
    lopsided would be if they were independent (Fisher's exact test, two-sided).
    """

    first: str
    second: str
    n: int
    first_wrong: int
    second_wrong: int
    both: int
    interval: Interval
    expected: float
    phi: float | None
    p_value: float


def union_bound(rates: Mapping[str, float], answers_per_run: Mapping[str, float]) -> float:
    """At most this share of the runs is wrong, whatever goes together: answers a run times error rates, summed."""
    return min(1.0, sum(rate * answers_per_run[step] for step, rate in rates.items()))


def if_independent(rates: Mapping[str, float], runs: Sequence[Mapping[str, float]]) -> float:
    """The share of wrong runs if each answer erred by itself.

    Args:
        rates: the error rate of each step's answers.
        runs: how many answers of each step each run holds; an expected number need not be whole.
    """
    if not runs:
        return 0.0
    counts = np.array([[run.get(step, 0.0) for step in rates] for run in runs], dtype=np.float64)
    right = np.log1p(-np.minimum(np.array(list(rates.values()), dtype=np.float64), 1 - 1e-12))
    return float(1 - np.exp(counts @ right).mean())


def together(first: str, second: str, outcomes: Sequence[tuple[bool, bool]]) -> Together | None:
    """How two steps err together, from whether each was wrong in runs that judge both; None where these are too few."""
    n = len(outcomes)
    if n < LEAST_TOGETHER:
        return None
    from scipy import stats

    both = sum(a and b for a, b in outcomes)
    one, other = sum(a for a, _ in outcomes), sum(b for _, b in outcomes)
    table = [[both, one - both], [other - both, n - one - other + both]]
    p_value = np.asarray(stats.fisher_exact(table))[1]
    spread = (one * (n - one) * other * (n - other)) ** 0.5
    return Together(
        first=first,
        second=second,
        n=n,
        first_wrong=one,
        second_wrong=other,
        both=both,
        interval=two_sided(both, n),
        expected=one * other / n,
        phi=(both * n - one * other) / spread if spread else None,
        p_value=float(p_value),
    )
