"""Learning to judge answers: a confidence head from rows left out, a scope head from whole classes left out.

The scope head is trained on what it is for. In a few rehearsals a random group of classes is taken away with all its
rows, as if nobody had ever asked for them, a smaller student is fitted on the rest, and is asked about them. The head
learns which signals tell those inputs from unseen inputs of the classes that stayed. Signals are measured in units of
the student that gives them, so that what is learned of the small students holds for the whole one. Where the prompt
offers labels that no example taught, the classes taken away are offered by name, too. The head looks hardest at
inputs that the confidence threshold would let through, because there the gate has to do its work.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from freehold.evidence.intervals import upper_bounds

from ._core import Core, Labelled, learn, vocabulary, weights
from ._nets import MIN_ROWS
from ._signals import NAMES, OF_NAMES, expand, probabilities
from .runtime import KernelStudent

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

REHEARSALS = 4
REHEARSAL_ROWS = 4_000
REHEARSAL_ASKED = 800
LOST_COVERAGE = 0.035
"""Share of in-scope calls that the gate may cost, the confidence threshold with the gate and the one without it each as
strict as a certificate is likely to make it. The product allows 0.05; the rest keeps certified coverage up.
"""
CERTIFIED_ON, CERTIFIED_ON_LEAST = 1 / 7, 250
"""Calls that a certificate is likely to have: so many for each row learned from, and at least so many."""
CERTIFIED_DELTA = 0.05
STRICTEST = 0.25
FEW_OUTCOMES = 5
ENOUGH_CLASSES = 8
N_CLUSTERS = 12


class Rehearsed(NamedTuple):
    """Standardised signals of inputs that a rehearsal's student had never seen, and which were of an unknown class."""

    standard: F32
    foreign: NDArray[np.bool_]


def rehearse(core: Core, seed: int) -> Rehearsed:
    """Hold out groups of classes in turn, and ask about them and about as many unseen inputs of the rest."""
    rng = np.random.default_rng(seed)
    groups = _groups(core, seed)
    names = rng.permutation(np.unique(groups))
    n_rounds = max(REHEARSALS, min(len(names), 5))
    parts: list[F32] = []
    foreign: list[NDArray[np.bool_]] = []
    for held in np.array_split(names, n_rounds)[:REHEARSALS]:
        out = rng.permutation(np.flatnonzero(np.isin(groups, held)))
        stay = rng.permutation(np.flatnonzero(~np.isin(groups, held)))
        n_asked = min(REHEARSAL_ASKED, len(out), len(stay) // 4)
        if n_asked == 0:
            continue
        asked = np.concatenate([out[:n_asked], stay[:n_asked]])
        student = _small(core, np.sort(stay[n_asked:][:REHEARSAL_ROWS]), _offered(core, held), seed)
        parts.append(np.stack([student.signals(core.labelled.inputs[i]) for i in asked]))
        foreign.append(np.arange(2 * n_asked) < n_asked)
    if not parts:  # One group only: nothing can be left out and something stay.
        return Rehearsed(np.zeros((0, len(NAMES)), np.float32), np.zeros(0, np.bool_))
    return Rehearsed(np.concatenate(parts), np.concatenate(foreign))


def _offered(core: Core, held: I64) -> tuple[str, ...]:
    """Names of classes held out, where the student of all rows knows names of labels never taught."""
    labelled = core.labelled
    if not labelled.untaught or len(np.unique(labelled.row_class)) < ENOUGH_CLASSES:
        return ()
    return tuple(labelled.answers[c] for c in held if c < len(labelled.answers))


def _small(core: Core, chosen: I64, untaught: tuple[str, ...], seed: int) -> KernelStudent:
    """A student of some of the rows, and of the classes that those have."""
    labelled = core.labelled
    present, row_class = np.unique(labelled.row_class[chosen], return_inverse=True)
    part = Labelled(
        [labelled.inputs[i] for i in chosen],
        row_class.astype(np.int64),
        [labelled.answers[c] if c < len(labelled.answers) else "" for c in present],
        other=False,
        untaught=untaught,
    )
    small = learn(part, seed, core.strength)
    no_heads = np.zeros((2, 2 * len(NAMES) + 1), np.float32)
    return KernelStudent(vocabulary(small), weights(small, no_heads))


def learned_from(core: Core) -> str:
    """What is held out whole, in words."""
    enough = len(np.unique(core.labelled.row_class)) >= ENOUGH_CLASSES
    return "classes left out" if enough else "clusters of inputs left out"


def _groups(core: Core, seed: int) -> I64:
    """What is held out whole to learn the gate: classes where there are enough, else clusters of inputs."""
    row_class = core.labelled.row_class
    if len(np.unique(row_class)) >= ENOUGH_CLASSES:
        return row_class
    n_distinct = len(set(core.labelled.inputs))
    n_clusters = max(1, min(N_CLUSTERS, len(row_class) // 10, n_distinct // 2))
    means = KMeans(n_clusters, n_init=1, random_state=seed)  # pyright: ignore[reportArgumentType]
    return means.fit_predict(core.rows.rows_latent).astype(np.int64)


def confidence_head(standard: F32, right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Logistic weights from signals to "the teacher would agree", on leave-one-out rows."""
    expanded = expand(standard)
    n_signals = standard.shape[1]
    for block in (expanded[:, :n_signals], expanded[:, n_signals:-1]):  # Every row here is of a class that was taught.
        block[:, OF_NAMES] = 0.0
    if len(right) < MIN_ROWS:  # So few rows bend the squares to what they happen to be, and queries reach beyond them.
        expanded[:, n_signals:-1] = 0.0
    return _logistic(expanded, right, np.ones(len(right)), 0.1)


def scope_head(rehearsed: Rehearsed, confidence: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """Logistic weights from signals to "of a class that is known".

    `threshold` is the confidence at which the student would be run.
    """
    expanded = expand(rehearsed.standard)
    passes = head_output(expanded, confidence) >= threshold
    return _logistic(expanded, ~rehearsed.foreign, np.where(passes, 1.0, 0.3), 0.1)


def scope_threshold(
    scope: NDArray[np.float64], confidence: NDArray[np.float64], right: NDArray[np.bool_], target_risk: float
) -> float:
    """The strictest scope threshold that costs at most `LOST_COVERAGE`, judged on leave-one-out rows.

    What the gate refuses is wrong more often than the rest, so a certificate with the gate on finds a looser confidence
    threshold; the cost is what remains after that. Both thresholds are those of a certificate: at the looser ones that
    the rows themselves would bear, the gate costs more than it does in use, and would be set too mild.
    """
    most = _kept_at(confidence, right, target_risk)
    if most == 0:  # Not certifiable as it stands: count what the gate refuses of the surer half.
        surer = np.sort(scope[confidence >= np.median(confidence)])
        return float(surer[min(int(LOST_COVERAGE * len(scope)), len(surer) - 1)])
    chosen = 0.0
    for candidate in np.quantile(scope, np.arange(0.005, STRICTEST, 0.005)):
        behind = np.where(scope >= candidate, confidence, -1.0)
        if most - _kept_at(behind, right, target_risk) > LOST_COVERAGE * len(scope):
            break
        chosen = float(candidate)
    return chosen


def _kept_at(confidence: NDArray[np.float64], right: NDArray[np.bool_], target_risk: float) -> int:
    """How many rows one confidence threshold keeps, if a certificate saw what these rows show on as many as it has.

    Rows with a confidence below zero are never kept.
    """
    n = len(confidence)
    share = max(CERTIFIED_ON, CERTIFIED_ON_LEAST / n)
    order = np.argsort(-confidence, kind="stable")[: int((confidence >= 0).sum())]
    kept, errors = np.arange(1, len(order) + 1), np.cumsum(~right[order])
    good = np.flatnonzero(upper_bounds(errors * share, kept * share, CERTIFIED_DELTA) <= target_risk)
    return int(good[-1]) + 1 if len(good) else 0


def head_output(expanded: F32, head: NDArray[np.float64]) -> NDArray[np.float64]:
    """What one head says, computed as the runtime does."""
    return probabilities(expanded, head[None, :].astype(np.float32))[:, 0]


def operating_threshold(confidence: NDArray[np.float64], right: NDArray[np.bool_], target_risk: float) -> float:
    """The confidence at which the student is likely to be run: most coverage under a certificate, half where none."""
    order = np.argsort(-confidence, kind="stable")
    last = max(_kept_at(confidence, right, target_risk) - 1, len(order) // 2)
    return float(confidence[order[last]])


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
