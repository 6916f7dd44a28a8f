"""Figures that training reports: exact intervals, keepable share, and what a learning curve extrapolates to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from freehold.evidence.intervals import two_sided, upper_bounds
from freehold.vocabulary import LearningPoint

ENOUGH_AGREEMENT_ERRORS = 4.0
"""A student may suffice when its error over all calls is at most this many times the target risk.

With the target at 5 % that is 80 % agreement, at which linear students of public sets kept more than half of their
calls at 95 % (Banking77: 84.8 % agreement kept 75 %, 71.7 % kept 35 %).
"""
HOPELESS_FACTOR = 100.0
"""No number of labels is called likely to suffice beyond this many times the labels at hand."""


def learning_point(n_train: int, right: NDArray[np.bool_]) -> LearningPoint:
    """One point of a learning curve, with its exact 95 % interval."""
    n, n_right = len(right), int(right.sum())
    interval = two_sided(n_right, n)
    return LearningPoint(n_train, n, n_right / n if n else 0.0, interval.low, interval.high)


def keepable_share(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], in_scope: NDArray[np.bool_], target_risk: float
) -> float:
    """The largest share of calls that one confidence threshold keeps with a 95 % upper bound on risk within target.

    The threshold is chosen on the same calls, so this is an estimate for choosing between students and no promise;
    `evidence.certify` makes promises. Equal confidences are kept or left together.
    """
    n = len(confidence)
    kept = np.flatnonzero(in_scope)
    if n == 0 or len(kept) == 0:
        return 0.0
    order = kept[np.argsort(-confidence[kept], kind="stable")]
    errors = np.cumsum(~right[order])
    size = np.arange(1, len(order) + 1)
    ends_a_tie = np.append(confidence[order][1:] != confidence[order][:-1], True)
    good = np.flatnonzero((upper_bounds(errors, size, 0.05) <= target_risk) & ends_a_tie)
    return float(size[good[-1]] / n) if len(good) else 0.0


def labels_needed(curve: Sequence[LearningPoint], target_risk: float) -> int | None:
    """How many labels might suffice, by a power law through the learning curve; None where none is likely to.

    error(n) = a n^-b, least squares in logarithms, weighted by what each point's test size can tell. An extrapolation:
    curves flatten, above all where the teacher contradicts itself, so the truth is likelier above than below.
    """
    points = [p for p in curve if p.n_test > 0 and p.n_train > 0]
    if len({p.n_train for p in points}) < 2:
        return None
    error = np.array([(1 - p.accuracy) * p.n_test + 0.5 for p in points]) / np.array([p.n_test + 1 for p in points])
    size = np.log([float(p.n_train) for p in points])
    weight = np.array([p.n_test for p in points]) * error / np.maximum(1 - error, 1e-3)
    slope, intercept = np.polyfit(size, np.log(error), 1, w=np.sqrt(weight))
    if slope > -0.02:
        return None
    needed = np.exp((np.log(ENOUGH_AGREEMENT_ERRORS * target_risk) - intercept) / slope)
    at_hand = max(p.n_train for p in points)
    return None if needed > HOPELESS_FACTOR * at_hand else max(int(np.ceil(needed)), at_hand + 1)
