"""Signals: what tells a right answer from a wrong one, and a familiar input from a foreign one.

Computed alike in training, on held-out rows, and when answering. numpy only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._nets import Said

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

NEIGHBOURS = 10
SHARPNESS = 8.0
"""Scale of ridge scores (about -0.2 to 1) before the softmax whose entropy is a signal."""
NAMES = (
    "score",
    "margin",
    "entropy",
    "nearest",
    "nearest_in_class",
    "near_mean",
    "neighbours_agree",
    "latent_nearest",
    "latent_kept",
    "unseen_words",
    "unseen_chars",
    "class_reliability",
    "score_beyond_typical",
    "nearness_beyond_typical",
    "nets_log_probability",
    "nets_entropy",
    "nets_energy",
    "features_of_class",
    "features_typical_of_class",
    "distance_from_class",
    "features_beyond_typical",
    "distance_beyond_typical",
    "name_never_taught",
    "name_beyond_said",
)
OF_NAMES = slice(NAMES.index("name_never_taught"), len(NAMES))
"""Signals that tell of labels never taught: they speak of scope, not of which of the known answers is right."""


def nearest_in_class(similarity: F32, row_class: I64, predicted: I64) -> F32:
    """For each query, its similarity to the nearest row of the class predicted for it (0 where there is none)."""
    out = np.zeros(len(similarity), np.float32)
    for c in np.unique(predicted):
        members = np.flatnonzero(row_class == c)
        queries = np.flatnonzero(predicted == c)
        if len(members):
            out[queries] = similarity[np.ix_(queries, members)].max(axis=1)
    return out


def describe(
    scores: F32,
    similarity: F32,
    latent: F32,
    unseen: F32,
    nets: Said,
    belonging: F32,
    row_class: I64,
    class_stats: F32,
) -> tuple[I64, F32]:
    """The predicted class of each query, and its signals in the order of `NAMES`.

    `scores` [m, C]; `similarity` [m, n] to the remembered rows, at most 1, very low for rows that must not be looked
    at; `latent` [m, 2]: nearness to the nearest row in the latent space, and how much of the input that space holds;
    `unseen` [m, 2]: shares of words and of n-grams that are new; `belonging` [m, 5]: support and distance
    (`_belonging`), and how near the names of labels never taught are (`_names.compared`).
    """
    m, n_classes = scores.shape
    predicted = scores.argmax(axis=1).astype(np.int64)
    best = scores[np.arange(m), predicted]
    second = np.partition(scores, -2, axis=1)[:, -2] if n_classes > 1 else np.zeros(m, np.float32)
    odds = np.exp(SHARPNESS * (scores - best[:, None]))
    share = odds / odds.sum(axis=1, keepdims=True)
    entropy = -(share * np.log(share + 1e-9)).sum(axis=1)
    k = min(NEIGHBOURS, similarity.shape[1])
    top = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    near = np.take_along_axis(similarity, top, axis=1)
    weight = np.exp(SHARPNESS * near)
    agree = (weight * (row_class[top] == predicted[:, None])).sum(axis=1) / weight.sum(axis=1)
    in_class = nearest_in_class(similarity, row_class, predicted)
    reliability, typical_score, typical_near, typical_share, typical_distance = class_stats[:, predicted]
    columns = [
        best,
        best - second,
        entropy,
        near.max(axis=1),
        in_class,
        near.mean(axis=1),
        agree,
        latent[:, 0],
        latent[:, 1],
        unseen[:, 0],
        unseen[:, 1],
        reliability,
        best - typical_score,
        in_class - typical_near,
        nets.log_probability[np.arange(len(predicted)), predicted],
        nets.entropy,
        nets.energy,
        *belonging[:, :3].T,
        belonging[:, 0] - typical_share,
        belonging[:, 2] - typical_distance,
        *belonging[:, 3:].T,
    ]
    return predicted, np.stack(columns, axis=1).astype(np.float32)


def standardise(signals: F32, scaling: F32) -> F32:
    """Centre and scale signals, and clip them: a foreign input must not reach where no training row has been."""
    return np.clip((signals - scaling[0]) / scaling[1], -4.0, 4.0)


def expand(standard: F32) -> F32:
    """Signals, their squares and a constant: what the logistic heads weigh."""
    return np.concatenate([standard, standard**2, np.ones((len(standard), 1), np.float32)], axis=1)


def probabilities(expanded: F32, heads: F32) -> NDArray[np.float64]:
    """[m, 2]: confidence and scope."""
    return 1.0 / (1.0 + np.exp(-(expanded.astype(np.float64) @ heads.T.astype(np.float64))))
