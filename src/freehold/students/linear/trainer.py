"""Fitting a linear student."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from freehold.errors import BundleRefused
from freehold.students.protocol import Fitted, Parameters
from freehold.vocabulary import Contract, Example, TaskKind

from ._grams import features, grams
from .runtime import VOCABULARY, WEIGHTS, LinearStudent, Vocabulary

MAX_CLASSES, MAX_GRAMS = 200, 60_000
MIN_DF = 2
LONG_CHARS = 300
MOSTLY = 0.8
LOST_SCOPE = 0.02
"""Share of familiar calls that the scope threshold may give up."""
STRENGTH = 20.0
N_PARITY = 100


class LinearTrainer:
    """Learns which words decide a label. For long or several inputs; short ones the kernel reads better."""

    def can_learn(self, kind: TaskKind, examples: Sequence[Example], contract: Contract) -> str:  # noqa: ARG002
        """Useless where answers are no labels; needless where inputs are one short text."""
        counts = Counter(example.answer.strip() for example in examples)
        repeated = sum(count for count in counts.values() if count > 1)
        if len(counts) < 2 or len(counts) > MAX_CLASSES or repeated < MOSTLY * len(examples):
            return "answers are no closed set"
        long = sum(sum(map(len, e.inputs)) for e in examples) > LONG_CHARS * len(examples)
        return (
            "" if long or any(len(e.inputs) > 1 for e in examples) else "inputs are short: the kernel reads them better"
        )

    def fit(self, examples: Sequence[Example], contract: Contract, *, seed: int) -> Fitted:  # noqa: ARG002
        """Learn from the teacher's answers. Draws nothing at random."""
        n_slots = max(len(e.inputs) for e in examples)
        inputs = [e.inputs + ("",) * (n_slots - len(e.inputs)) for e in examples]
        answers = sorted({e.answer.strip() for e in examples})
        classes = np.array([answers.index(e.answer.strip()) for e in examples])
        df = Counter(gram for one in inputs for gram in _distinct(one))
        kept = sorted(sorted(g for g, n in df.items() if n >= MIN_DF), key=lambda g: (-df[g], g))[:MAX_GRAMS]
        kept.sort()
        columns = {gram: column for column, gram in enumerate(kept)}
        idf = np.array([math.log((1 + len(inputs)) / (1 + df[g])) + 1 for g in kept], np.float32)
        weight, bias = _regress(inputs, classes, columns, idf, len(answers))
        files = {
            WEIGHTS: _tensors(weight, bias, idf),
            VOCABULARY: msgspec.json.encode(Vocabulary(kept, answers, n_slots)),
        }
        threshold = float(np.quantile([_known_elsewhere(one, df) for one in inputs], LOST_SCOPE))
        _check(files, inputs, weight, bias, columns, idf)
        parameters: Parameters = {"n_grams": len(kept), "n_classes": len(answers), "strength": STRENGTH}
        return Fitted(files, parameters, threshold, min(N_PARITY, len(inputs)))


def _distinct(inputs: tuple[str, ...]) -> set[str]:
    return {f"{slot}\x1f{gram}" for slot, text in enumerate(inputs) for gram in grams(text)}


def _known_elsewhere(inputs: tuple[str, ...], df: Counter[str]) -> float:
    """The share of a training row's grams that would be known without it."""
    found = _distinct(inputs)
    return sum(df[gram] > MIN_DF for gram in found) / len(found) if found else 0.0


def _matrix(inputs: Sequence[tuple[str, ...]], columns: dict[str, int], idf: np.ndarray) -> sparse.csr_matrix:
    weights = dict(enumerate(idf.astype(float).tolist()))
    rows = [features(one, columns, weights)[0] for one in inputs]
    indptr = np.cumsum([0, *(len(row) for row in rows)])
    index = np.array([column for row in rows for column in row], np.int64)
    value = np.array([value for row in rows for value in row.values()], np.float64)
    return sparse.csr_matrix((value, index, indptr), shape=(len(rows), len(columns)))


def _regress(
    inputs: Sequence[tuple[str, ...]], classes: np.ndarray, columns: dict[str, int], idf: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weights [grams, classes] and biases; two classes get the two halves of one boundary."""
    model = LogisticRegression(C=STRENGTH, max_iter=300, tol=1e-5).fit(_matrix(inputs, columns, idf), classes)
    weight, bias = model.coef_.T, model.intercept_
    if n_classes == 2:
        weight, bias = np.hstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight.astype(np.float32), bias.astype(np.float32)


def _tensors(weight: np.ndarray, bias: np.ndarray, idf: np.ndarray) -> bytes:
    from safetensors.numpy import save

    return save({"weight": np.ascontiguousarray(weight), "bias": bias, "idf": idf})


def _check(
    files: dict[str, bytes],
    inputs: Sequence[tuple[str, ...]],
    weight: np.ndarray,
    bias: np.ndarray,
    columns: dict[str, int],
    idf: np.ndarray,
) -> None:
    """The parity gate: the student as stored gives the probabilities of the model as trained."""
    student = LinearStudent.from_files(files)
    few = list(inputs[:N_PARITY])
    logits = _matrix(few, columns, idf) @ weight.astype(np.float64) + bias
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    trained = odds / odds.sum(axis=1, keepdims=True)
    if not np.allclose(trained, [student.judge(one)[0] for one in few], atol=1e-4):
        raise BundleRefused("a linear student answers differently once loaded", code="parity")
