"""Learning to judge answers: a confidence head from rows left out, a scope head from whole classes left out.

The scope head is trained on what it is for. Random groups of classes are taken away together with all their rows, as
if nobody had ever asked for them; the head learns which signals tell those rows from rows of the classes that stayed.
It looks hardest at rows that the confidence threshold would let through, because there the gate has to do its work.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from ._ridge import Ridge
from ._rows import Rows
from ._signals import NAMES, describe, expand, probabilities, standardise

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

ROUNDS = 6
MAX_HELD_ROWS = 2_500
LOST_COVERAGE = 0.04
"""Share of in-scope calls that the gate may cost at the operating point. The product's bound is 0.05; one point is left
for traffic that differs from training."""
FEW_OUTCOMES = 5
FAR_BELOW = -9.0
"""A similarity that no two rows have: marks rows that must not be looked at."""


class Simulated(NamedTuple):
    """Signals of rows that were held out together with whole classes, and which of them are of such a class."""

    signals: F32
    foreign: NDArray[np.bool_]


def leave_classes_out(
    ridge: Ridge, similarity: F32, rows: Rows, row_class: I64, stats: F32, groups: I64, seed: int
) -> Simulated:
    """Hold out groups (of classes, or of clusters) in turn, with as many random rows of the groups that stay."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.unique(groups))
    parts: list[F32] = []
    foreign: list[NDArray[np.bool_]] = []
    for held in np.array_split(names, min(ROUNDS, len(names))):
        out = np.flatnonzero(np.isin(groups, held))
        stay = np.flatnonzero(~np.isin(groups, held))
        if not len(stay):
            continue
        size = min(MAX_HELD_ROWS // 2, max(len(out), 1))
        familiar = rng.choice(stay, min(size, max(1, len(stay) // 5)), replace=False)
        judged = np.sort(np.concatenate([rng.choice(out, min(size, len(out)), replace=False), familiar]))
        # All rows of the held groups must leave the model, those that are not judged too.
        gone = np.sort(np.concatenate([out, familiar]))
        at = np.searchsorted(gone, judged)
        parts.append(_signals_without(ridge, similarity, rows, row_class, stats, gone, judged, at))
        foreign.append(np.isin(groups[judged], held))
    if not parts:  # One group only: nothing can be left out and something stay.
        return Simulated(np.zeros((0, len(NAMES)), np.float32), np.zeros(0, np.bool_))
    return Simulated(np.concatenate(parts), np.concatenate(foreign))


def _signals_without(
    ridge: Ridge,
    similarity: F32,
    rows: Rows,
    row_class: I64,
    stats: F32,
    gone: I64,
    judged: I64,
    at: I64,
) -> F32:
    scores = ridge.leave_out(gone)[at]
    # A class none of whose rows stays cannot be answered.
    staying = np.delete(row_class, gone)
    scores[:, ~np.isin(np.arange(scores.shape[1]), staying)] = FAR_BELOW
    visible = similarity[judged]
    visible[:, gone] = FAR_BELOW
    latent = rows.rows_latent[judged] @ np.delete(rows.rows_latent, gone, axis=0).T
    unseen = rows.unseen(judged, without=gone)
    return describe(scores, visible, latent.max(axis=1), unseen, row_class, stats)[1]


def confidence_head(standard: F32, right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Logistic weights from signals to "the teacher would agree", on leave-one-out rows."""
    return _logistic(expand(standard), right, np.ones(len(right)), 1.0)


def scope_head(
    simulated: Simulated, scaling: F32, confidence: NDArray[np.float64], threshold: float
) -> tuple[NDArray[np.float64], float]:
    """Logistic weights from signals to "of a class that is known", and the scope threshold.

    `threshold` is the confidence at which the student would be run; the scope threshold is set so that the gate
    refuses `LOST_COVERAGE` of the known rows, counted among those that pass it.
    """
    expanded = expand(standardise(simulated.signals, scaling))
    own = probabilities(expanded, np.stack([confidence, confidence]).astype(np.float32))[:, 0]
    passes = own >= threshold
    known = ~simulated.foreign
    weight = np.where(passes, 1.0, 0.1)
    for side in (known, simulated.foreign):
        weight[side] /= max(weight[side].sum(), 1e-9)
    head = _logistic(expanded, known, weight * len(weight), 1.0)
    scope = probabilities(expanded, np.stack([head, head]).astype(np.float32))[:, 0]
    kept = np.sort(scope[known & passes])
    if not len(kept):
        return head, 0.0
    lost = int(LOST_COVERAGE * known.sum())
    return head, float(kept[min(lost, len(kept) - 1)])


def operating_threshold(confidence: NDArray[np.float64], right: NDArray[np.bool_], target_risk: float) -> float:
    """The confidence at which the student is likely to be run: most coverage at the target risk, half where none."""
    order = np.argsort(-confidence, kind="stable")
    risk = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(risk <= target_risk)
    last = int(good[-1]) if len(good) else 0
    return float(confidence[order[max(last, len(order) // 2)]])


def _logistic(
    features: F32, outcome: NDArray[np.bool_], weight: NDArray[np.float64], strength: float
) -> NDArray[np.float64]:
    """Weights of a logistic regression whose last feature is the constant; too few outcomes of a kind give a prior."""
    n_signals = (features.shape[1] - 1) // 2
    if min(int(outcome.sum()), int((~outcome).sum())) < FEW_OUTCOMES:
        prior = np.zeros(features.shape[1])
        prior[1] = 1.0  # The margin, in standard deviations: ordered as it should be, and never quite sure.
        prior[3] = 0.5
        prior[2 * n_signals] = float(np.log((outcome.sum() + 1) / ((~outcome).sum() + 1)))
        return prior
    model = LogisticRegression(C=strength, fit_intercept=False, max_iter=1_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # Nearly converged is as good: the head is monotone in it.
        model.fit(features.astype(np.float64), outcome, sample_weight=weight)
    return np.asarray(model.coef_[0], np.float64)
