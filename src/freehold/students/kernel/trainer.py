"""Fitting a kernel student."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from freehold.students.protocol import Fitted
from freehold.vocabulary import Contract, Example, TaskKind

from ._gate import confidence_head, leave_classes_out, operating_threshold, scope_head
from ._model import Vocabulary, Weights, dump, parse
from ._ridge import Ridge, choose_ridge, targets
from ._rows import LATENT_WEIGHT, NEAR_WEIGHT, Rows
from ._signals import describe, expand, nearest_in_class, probabilities, standardise
from .runtime import KernelStudent

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

MAX_ROWS = 10_000
MAX_CLASSES = 500
MAX_DUAL = 4_000_000
"""Rows times classes: what an answer multiplies. With more rows than fit, a sample is remembered."""
FEW_PER_CLASS = 20
TARGET_RISK = 0.05
N_PARITY = 100
PARITY_TOLERANCE = 2e-3
ENOUGH_CLASSES = 8
N_CLUSTERS = 12


class Labelled(NamedTuple):
    """Examples as a closed set of answers."""

    inputs: list[tuple[str, ...]]
    row_class: I64
    answers: list[str]
    other: bool


class KernelTrainer:
    """Learns a closed set of answers: labels, or any answers that come again and again."""

    def can_learn(self, kind: TaskKind, examples: Sequence[Example], contract: Contract) -> str:  # noqa: ARG002
        """Useless where answers hardly ever repeat, or never vary."""
        counts = Counter(_canonical(example.answer) for example in examples)
        if len(counts) < 2:
            return "answers never vary"
        repeated = sum(count for count in counts.values() if count > 1)
        if repeated < 0.2 * len(examples):
            return f"only {repeated} of {len(examples)} answers occur more than once"
        return ""

    def fit(self, examples: Sequence[Example], contract: Contract, *, seed: int) -> Fitted:  # noqa: ARG002
        """Fit on all of `examples`, in the order given."""
        labelled = _labelled(examples)
        n_classes = len(labelled.answers) + labelled.other
        rows = Rows(labelled.inputs, seed)
        similarity = rows.similarity()
        both = NEAR_WEIGHT + LATENT_WEIGHT
        strength = choose_ridge(similarity, labelled.row_class, n_classes, both)
        ridge = Ridge(np.exp(both * (similarity - 1)), targets(labelled.row_class, n_classes), strength)
        judge = _learn_to_judge(ridge, similarity, rows, labelled, n_classes, seed)
        vocabulary = Vocabulary(
            rows.words, rows.pairs, rows.chars, labelled.answers, labelled.other, len(labelled.inputs[0])
        )
        weights = _weights(rows, ridge, labelled, judge)
        files = dump(vocabulary, weights)
        n_parity = _parity(files, similarity, ridge, labelled, both)
        parameters = {
            "n_rows": len(labelled.inputs),
            "n_classes": n_classes,
            "n_features": len(rows.idf),
            "n_latent": int(rows.latent.shape[1]),
            "min_df": rows.min_df,
            "ridge": strength,
            "near_weight": NEAR_WEIGHT,
            "latent_weight": LATENT_WEIGHT,
            "left_out_agreement": judge.agreement,
            "operating_confidence": judge.operating,
            "gate_learned_from": judge.learned_from,
        }
        return Fitted(files, parameters, judge.scope_threshold, n_parity)


class Judge(NamedTuple):
    """How the student judges its own answers."""

    class_stats: F32
    scaling: F32
    heads: F32
    scope_threshold: float
    agreement: float
    operating: float
    learned_from: str


def _learn_to_judge(ridge: Ridge, similarity: F32, rows: Rows, labelled: Labelled, n_classes: int, seed: int) -> Judge:
    row_class = labelled.row_class
    everything = np.arange(len(row_class))
    scores = ridge.leave_one_out()
    alone = similarity.copy()
    np.fill_diagonal(alone, -9.0)
    stats = _class_stats(scores, alone, row_class, n_classes)
    latent_nearest = _nearest_other(rows.rows_latent)
    predicted, signals = describe(scores, alone, latent_nearest, rows.unseen(everything), row_class, stats)
    right = predicted == row_class
    # A row's own outcome is part of its class's reliability; take it out again.
    size = np.bincount(predicted, minlength=n_classes)[predicted]
    signals[:, 10] = (signals[:, 10] * (size + 2) - right) / np.maximum(size + 1, 1)
    scaling = np.stack([signals.mean(axis=0), np.maximum(signals.std(axis=0), 1e-3)]).astype(np.float32)
    standard = standardise(signals, scaling)
    confidence = confidence_head(standard, right)
    own = probabilities(expand(standard), np.stack([confidence, confidence]).astype(np.float32))[:, 0]
    operating = operating_threshold(own, right, TARGET_RISK)
    groups, learned_from = _groups(rows, row_class, seed)
    simulated = leave_classes_out(ridge, similarity, rows, row_class, stats, groups, seed)
    scope, scope_threshold = scope_head(simulated, scaling, confidence, operating)
    heads = np.stack([confidence, scope]).astype(np.float32)
    return Judge(stats, scaling, heads, scope_threshold, float(right.mean()), operating, learned_from)


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


def _groups(rows: Rows, row_class: I64, seed: int) -> tuple[I64, str]:
    """What is held out whole to learn the gate: classes where there are enough, else clusters of inputs."""
    if len(np.unique(row_class)) >= ENOUGH_CLASSES:
        return row_class, "classes left out"
    n_clusters = max(1, min(N_CLUSTERS, len(row_class) // 10))
    means = KMeans(n_clusters, n_init=1, random_state=seed)  # pyright: ignore[reportArgumentType]
    clusters = means.fit_predict(rows.rows_latent)
    return clusters.astype(np.int64), "clusters of inputs left out"


def _weights(rows: Rows, ridge: Ridge, labelled: Labelled, judge: Judge) -> Weights:
    postings = rows.rare.tocsc()
    postings.sort_indices()
    return Weights(
        idf=rows.idf,
        latent=rows.latent.astype(np.float16),  # pyright: ignore[reportArgumentType]
        rows_latent=rows.rows_latent,
        postings_start=postings.indptr.astype(np.int32),
        postings_row=postings.indices.astype(np.int32),
        postings_value=postings.data.astype(np.float32),
        dual=ridge.dual.astype(np.float32),
        row_class=labelled.row_class.astype(np.int32),
        class_stats=judge.class_stats,
        heads=judge.heads,
        scaling=judge.scaling,
        kernel=np.array([NEAR_WEIGHT, LATENT_WEIGHT, rows.unseen_idf, 0.0], np.float32),
    )


def _parity(files: dict[str, bytes], similarity: F32, ridge: Ridge, labelled: Labelled, both: float) -> int:
    """Scores of the student built from its files against those of the model as trained, on the first rows."""
    student = KernelStudent(*parse(files))
    n = min(N_PARITY, len(similarity))
    trained = np.exp(both * (similarity[:n] - 1)) @ ridge.dual
    served = np.stack([student.scores(inputs) for inputs in labelled.inputs[:n]])
    worst = float(np.abs(trained - served).max())
    assert worst < PARITY_TOLERANCE, f"the served student differs from the trained one by {worst:.2g}"
    return n


def _canonical(answer: str) -> str:
    return unicodedata.normalize("NFC", answer).strip()


def _labelled(examples: Sequence[Example]) -> Labelled:
    """Examples as classes: each distinct answer one, in its commonest spelling; rare ones together where too many."""
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        spellings[_canonical(example.answer)][example.answer] += 1
    ranked = sorted(spellings, key=lambda answer: (-spellings[answer].total(), answer))
    closed = len(ranked) <= min(MAX_CLASSES, max(2, len(examples) // 4))
    named = ranked if closed else [answer for answer in ranked if spellings[answer].total() > 1][: MAX_CLASSES - 1]
    named = sorted(named or ranked[:1])
    index = {answer: i for i, answer in enumerate(named)}
    row_class = np.array([index.get(_canonical(example.answer), len(named)) for example in examples], np.int64)
    chosen = _sample(row_class, len(named) + 1)
    n_slots = max(len(example.inputs) for example in examples)
    inputs = [examples[i].inputs + ("",) * (n_slots - len(examples[i].inputs)) for i in chosen]
    answers = [min(spellings[answer].items(), key=lambda pair: (-pair[1], pair[0]))[0] for answer in named]
    return Labelled(inputs, row_class[chosen], answers, not closed)


def _sample(row_class: I64, n_classes: int) -> list[int]:
    """The rows to remember: all where they fit, else the first of each class up to a common ceiling's worth."""
    room = min(MAX_ROWS, MAX_DUAL // n_classes)
    if len(row_class) <= room:
        return list(range(len(row_class)))
    rank = np.zeros(len(row_class), np.int64)
    seen: Counter[int] = Counter()
    for i, c in enumerate(row_class.tolist()):
        rank[i] = seen[c]
        seen[c] += 1
    # Rare classes first, so that they stay whole; the rest in the (already shuffled) order given.
    floor = rank < FEW_PER_CLASS
    order = np.concatenate([np.flatnonzero(floor), np.flatnonzero(~floor)])[:room]
    return sorted(order.tolist())
