"""The scorer itself, fitted: rows, similarities, ridge, and the signals of every row as if it had been left out.

The gate's rehearsals fit the same thing on fewer rows; how the student judges its answers comes on top of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._belonging import Centres, Features, centres, left_out_distance, left_out_support
from ._model import Vocabulary, Weights
from ._names import Names, compared
from ._nets import MIN_ROWS, Nets, cross_fit
from ._ridge import Ridge, choose_ridge, targets
from ._rows import COMPANY_SHARE, LATENT_WEIGHT, NEAR_WEIGHT, Rows
from ._signals import NAMES, describe, nearest_in_class, standardise

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

BOTH = NEAR_WEIGHT + LATENT_WEIGHT
NETS_SHARE = 0.1
"""What the networks' probabilities count beside the ridge's scores."""
NEVER = -9.0
"""A similarity that no two rows have: marks a row that must not be looked at."""
RELIABILITY = NAMES.index("class_reliability")


class Labelled(NamedTuple):
    """Examples as a closed set of answers; `other`: one further class stands for all answers not listed.

    `untaught`: labels that the prompt offers and no example has.
    """

    inputs: list[tuple[str, ...]]
    row_class: I64
    answers: list[str]
    other: bool
    untaught: tuple[str, ...] = ()

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
    nets: Nets
    centres: Centres
    names: Names
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
    nets, says = cross_fit(rows.directions, row_class, n_classes, seed)
    scores = (ridge.leave_one_out() + np.float32(NETS_SHARE) * says.probability).astype(np.float32)
    middle = centres(rows.directions, row_class, n_classes)
    chosen = scores.argmax(axis=1)
    names = rows.names([*labelled.answers, *[""] * labelled.other], labelled.untaught)
    named = compared(rows.nearness(names), chosen, n_classes)
    belonging = np.hstack([_belonging(rows, middle, row_class, chosen), named])
    own_class = _belonging(rows, middle, row_class, row_class)
    own = similarity.diagonal().copy()
    np.fill_diagonal(similarity, NEVER)
    stats = _class_stats(scores, similarity, own_class, row_class, n_classes)
    latent = np.stack([_nearest_other(rows.rows_latent), rows.latent_kept], axis=1)
    predicted, signals = describe(scores, similarity, latent, rows.unseen(), says, belonging, row_class, stats)
    np.fill_diagonal(similarity, own)
    right = predicted == row_class
    # A row's own outcome is part of its class's reliability; take it out again.
    given = np.bincount(predicted, minlength=n_classes)[predicted]
    signals[:, RELIABILITY] = (signals[:, RELIABILITY] * (given + 2) - right) / (given + 1)
    scaling = np.stack([signals.mean(axis=0), np.maximum(signals.std(axis=0), 1e-3)]).astype(np.float32)
    return Core(
        *(labelled, rows, similarity, ridge, nets, middle, names, strength, stats, scaling),
        *(standardise(signals, scaling), right),
    )


def vocabulary(core: Core) -> Vocabulary:
    """What the student reads and says."""
    rows, labelled = core.rows, core.labelled
    grams = rows.words, rows.pairs, rows.chars, rows.company
    return Vocabulary(*grams, labelled.answers, labelled.other, len(labelled.inputs[0]))


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
        nets_inner=core.nets.inner,
        nets_inner_bias=core.nets.inner_bias,
        nets_outer=core.nets.outer,
        nets_outer_bias=core.nets.outer_bias,
        whiten=core.centres.whiten,
        centres=core.centres.centres,
        name_columns=core.names.columns,
        name_weights=core.names.weights,
        row_class=core.labelled.row_class.astype(np.int32),
        class_stats=core.class_stats,
        heads=heads,
        scaling=core.scaling,
        kernel=np.array([NEAR_WEIGHT, LATENT_WEIGHT, rows.unseen_idf, NETS_SHARE, COMPANY_SHARE], np.float32),
    )


def _class_stats(scores: F32, alone: F32, own_class: F32, row_class: I64, n_classes: int) -> F32:
    """[5, C]: how often an answer of this class is right; of its rows typical score, nearness, support, distance."""
    predicted = scores.argmax(axis=1)
    given = np.bincount(predicted, minlength=n_classes)
    right = np.bincount(predicted[predicted == row_class], minlength=n_classes)
    size = np.maximum(np.bincount(row_class, minlength=n_classes), 1)
    score = np.bincount(row_class, scores[np.arange(len(scores)), row_class], n_classes) / size
    near = np.maximum(nearest_in_class(alone, row_class, row_class), 0.0)
    nearness = np.bincount(row_class, near, n_classes) / size
    typical = [np.bincount(row_class, values, n_classes) / size for values in (own_class[:, 0], own_class[:, 2])]
    return np.stack([(right + 1) / (given + 2), score, nearness, *typical]).astype(np.float32)


def _belonging(rows: Rows, middle: Centres, row_class: I64, said: I64) -> F32:
    """[n, 3]: how well each row, left out, belongs to the class `said` of it."""
    if len(row_class) < MIN_ROWS:  # What so few rows say of centres and features is mostly about themselves.
        return np.zeros((len(row_class), 3), np.float32)
    part = rows.rare.tocoo()
    features = Features(part.row.astype(np.int64), part.col.astype(np.int64), part.data)
    support = left_out_support(features, part.shape[1], row_class, said, rows.min_df)
    return np.column_stack([support, left_out_distance(middle, rows.directions, row_class, said)])


def _nearest_other(unit_rows: F32, block: int = 1_000) -> F32:
    out = np.zeros(len(unit_rows), np.float32)
    for start in range(0, len(unit_rows), block):
        cosine = unit_rows[start : start + block] @ unit_rows.T
        cosine[np.arange(len(cosine)), start + np.arange(len(cosine))] = -1.0
        out[start : start + block] = cosine.max(axis=1)
    return out
