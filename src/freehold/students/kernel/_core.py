"""The scorer itself, fitted: rows, similarities, ridge, and the signals of every row as if it had been left out.

The gate's rehearsals fit the same thing on fewer rows; how the student judges its answers comes on top of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._model import Vocabulary, Weights
from ._ridge import Ridge, choose_ridge, targets
from ._rows import LATENT_WEIGHT, NEAR_WEIGHT, Rows
from ._signals import NAMES, describe, nearest_in_class, standardise

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

BOTH = NEAR_WEIGHT + LATENT_WEIGHT
NEVER = -9.0
"""A similarity that no two rows have: marks a row that must not be looked at."""
RELIABILITY = NAMES.index("class_reliability")


class Labelled(NamedTuple):
    """Examples as a closed set of answers; `other`: one further class stands for all answers not listed."""

    inputs: list[tuple[str, ...]]
    row_class: I64
    answers: list[str]
    other: bool

    @property
    def n_classes(self) -> int:
        """How many classes there are, `other` included."""
        return len(self.answers) + self.other


class Core(NamedTuple):
    """A fitted scorer. `standard`: signals of each row by the model of all others; `right`: was that model right."""

    labelled: Labelled
    rows: Rows
    similarity: F32
    ridge: Ridge
    strength: float
    class_stats: F32
    scaling: F32
    standard: F32
    right: NDArray[np.bool_]


def learn(labelled: Labelled, seed: int, strength: float | None = None) -> Core:
    """Fit the scorer; `strength` of the ridge None: chosen by leave-one-out agreement."""
    rows = Rows(labelled.inputs, seed)
    similarity = rows.similarity()
    row_class, n_classes = labelled.row_class, labelled.n_classes
    if strength is None:
        strength = choose_ridge(similarity, row_class, n_classes, BOTH)
    ridge = Ridge(np.exp(BOTH * (similarity - 1)), targets(row_class, n_classes), strength)
    scores = ridge.leave_one_out()
    own = similarity.diagonal().copy()
    np.fill_diagonal(similarity, NEVER)
    stats = _class_stats(scores, similarity, row_class, n_classes)
    latent = np.stack([_nearest_other(rows.rows_latent), rows.latent_kept], axis=1)
    predicted, signals = describe(scores, similarity, latent, rows.unseen(), row_class, stats)
    np.fill_diagonal(similarity, own)
    right = predicted == row_class
    # A row's own outcome is part of its class's reliability; take it out again.
    given = np.bincount(predicted, minlength=n_classes)[predicted]
    signals[:, RELIABILITY] = (signals[:, RELIABILITY] * (given + 2) - right) / (given + 1)
    scaling = np.stack([signals.mean(axis=0), np.maximum(signals.std(axis=0), 1e-3)]).astype(np.float32)
    return Core(labelled, rows, similarity, ridge, strength, stats, scaling, standardise(signals, scaling), right)


def vocabulary(core: Core) -> Vocabulary:
    """What the student reads and says."""
    rows, labelled = core.rows, core.labelled
    return Vocabulary(rows.words, rows.pairs, rows.chars, labelled.answers, labelled.other, len(labelled.inputs[0]))


def weights(core: Core, heads: F32) -> Weights:
    """The student's numbers."""
    rows = core.rows
    postings = rows.rare.tocsc()
    postings.sort_indices()
    return Weights(
        idf=rows.idf,
        latent=rows.latent,
        rows_latent=rows.rows_latent,
        postings_start=postings.indptr.astype(np.int32),
        postings_row=postings.indices.astype(np.int32),
        postings_value=postings.data.astype(np.float32),
        dual=core.ridge.dual.astype(np.float32),
        row_class=core.labelled.row_class.astype(np.int32),
        class_stats=core.class_stats,
        heads=heads,
        scaling=core.scaling,
        kernel=np.array([NEAR_WEIGHT, LATENT_WEIGHT, rows.unseen_idf], np.float32),
    )


def _class_stats(scores: F32, alone: F32, row_class: I64, n_classes: int) -> F32:
    """[3, C]: how often an answer of this class is right, and the typical score and nearness of its rows."""
    predicted = scores.argmax(axis=1)
    given = np.bincount(predicted, minlength=n_classes)
    right = np.bincount(predicted[predicted == row_class], minlength=n_classes)
    size = np.maximum(np.bincount(row_class, minlength=n_classes), 1)
    score = np.bincount(row_class, scores[np.arange(len(scores)), row_class], n_classes) / size
    near = np.maximum(nearest_in_class(alone, row_class, row_class), 0.0)
    nearness = np.bincount(row_class, near, n_classes) / size
    return np.stack([(right + 1) / (given + 2), score, nearness]).astype(np.float32)


def _nearest_other(unit_rows: F32, block: int = 1_000) -> F32:
    out = np.zeros(len(unit_rows), np.float32)
    for start in range(0, len(unit_rows), block):
        cosine = unit_rows[start : start + block] @ unit_rows.T
        cosine[np.arange(len(cosine)), start + np.arange(len(cosine))] = -1.0
        out[start : start + block] = cosine.max(axis=1)
    return out
