"""Fitting the heads: one logistic regression per closed leaf that varies, over one shared vocabulary."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from freehold.errors import FreeholdError

from ._analysis import Row
from ._linear import Head, Heads, grams
from ._plan import ABSENT, COPIED, Plan

MIN_SEEN = 2
"""Inputs that must hold a feature for it to count."""
MAX_FEATURES = 60_000
INVERSE_PENALTY = 10.0
"""scikit-learn's C. Between 3 and 30 it made no difference beyond noise."""
MIN_OF_CLASS = 2
_ITERATIONS, _TOLERANCE = 200, 1e-3
_MAX_WORK = 400_000
"""Rows times heads. With more, each head learns from fewer rows, 1,000 at least."""
_N_PARITY, _TIE = 200, 1e-4


class Choice(msgspec.Struct):
    """One thing to decide: a leaf, the rows that show how, and what they show."""

    leaf: int
    rows: list[int]
    answers: list[str]


class Fixed(msgspec.Struct):
    """What a part's leaves come to: classes that never vary, and choices that need a head."""

    fixed: dict[int, str]
    choices: list[Choice]


class FittedHeads(msgspec.Struct):
    """Vocabulary, idf and weights as stored, and the heads in the order of their choices."""

    vocabulary: list[str]
    idf: NDArray[np.float32]
    weights: NDArray[np.float32]
    heads: list[Head]

    def scorer(self) -> Heads:
        """The same heads as the runtime scores them."""
        return Heads({name: i for i, name in enumerate(self.vocabulary)}, self.idf, self.weights)


def choices_of(plan: Plan, rows: Sequence[Row], members: Sequence[int]) -> Fixed:
    """Sort a part's leaves into those that never vary among its rows and those that must be decided.

    A copied leaf is looked at only in rows where nothing was copied into it: what stands there then?
    """
    out = Fixed({}, [])
    for leaf, about in enumerate(plan.leaves):
        if leaf == plan.discriminator:
            continue
        shown = [(i, rows[i].classes.get(leaf, ABSENT)) for i in members]
        if about.role == "copied":
            shown = [(i, text) for i, text in shown if text != COPIED and rows[i].explained]
        counts = Counter(text for _, text in shown)
        kept = {text for text, n in counts.items() if n >= MIN_OF_CLASS}
        if len(kept) > 1:
            known = [(i, text) for i, text in shown if text in kept]
            out.choices.append(Choice(leaf, [i for i, _ in known], [text for _, text in known]))
        elif counts and (usual := min(counts, key=lambda text: (-counts[text], text))) != ABSENT:
            out.fixed[leaf] = usual
    return out


def fit_heads(rows: Sequence[Row], choices: Sequence[Choice], level: int) -> FittedHeads:
    """Fit every choice. Single-threaded linear algebra gives the same bits again."""
    from scipy import sparse

    documents = [grams(row.doc, level) for row in rows]
    vocabulary, idf = _vocabulary(documents)
    index = {name: i for i, name in enumerate(vocabulary)}
    data, columns, starts = [], [], [0]
    for found in documents:
        known = sorted(i for i in map(index.get, found) if i is not None)
        values = idf[known].astype(np.float64)
        data.append(values / (math.sqrt(float(values @ values)) or 1.0))
        columns += known
        starts.append(len(columns))
    matrix = sparse.csr_matrix(
        (np.concatenate(data) if data else np.zeros(0), columns, starts), shape=(len(rows), len(vocabulary))
    )
    heads: list[Head] = []
    blocks: list[NDArray[np.float32]] = []
    start = 0
    limit = max(1_000, _MAX_WORK // max(1, len(choices)))
    for choice in choices:
        kept = _limited(choice.answers, limit)
        classes, block = _fit(matrix[[choice.rows[i] for i in kept]], [choice.answers[i] for i in kept])
        heads.append(Head(choice.leaf, classes, start))
        blocks.append(block)
        start += len(classes)
    weights = np.concatenate(blocks, axis=1) if blocks else np.zeros((len(vocabulary) + 1, 0), np.float32)
    return FittedHeads(vocabulary, idf, np.ascontiguousarray(weights), heads)


def _limited(answers: Sequence[str], limit: int) -> list[int]:
    """The first `limit` places, and the first of every class that has none among them."""
    kept = list(range(min(limit, len(answers))))
    shown = {answers[i] for i in kept}
    for i in range(len(kept), len(answers)):
        if answers[i] not in shown:
            shown.add(answers[i])
            kept.append(i)
    return kept


def _vocabulary(documents: Sequence[set[str]]) -> tuple[list[str], NDArray[np.float32]]:
    seen = Counter(name for found in documents for name in found)
    common = sorted((name for name, n in seen.items() if n >= MIN_SEEN), key=lambda name: (-seen[name], name))
    names = sorted(common[:MAX_FEATURES])
    idf = np.array([math.log((1 + len(documents)) / (1 + seen[name])) + 1.0 for name in names], dtype=np.float32)
    return names, idf


def _fit(matrix: Any, answers: list[str]) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Classes and a column of weights for each, the intercept last."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=_ITERATIONS, tol=_TOLERANCE)
    model.fit(matrix, answers)
    coefficients = np.asarray(model.coef_, dtype=np.float64)
    intercept = np.asarray(model.intercept_, dtype=np.float64)
    if len(coefficients) == 1:  # Two classes: scikit-learn keeps the second one's score alone.
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercept = np.concatenate([np.zeros_like(intercept), intercept])
    block = np.concatenate([coefficients.T, intercept[None, :]]).astype(np.float32)
    classes = tuple(str(name) for name in model.classes_)
    _check(matrix[:_N_PARITY], model.predict(matrix[:_N_PARITY]), classes, block)
    return classes, block


def _check(matrix: Any, said: Any, classes: tuple[str, ...], block: NDArray[np.float32]) -> None:
    """Scored from the stored weights, rows must get the class that scikit-learn gives them.

    Raises:
        FreeholdError: they do not, though it was not a tie.
    """
    scores = np.asarray(matrix @ block[:-1] + block[-1])
    given = scores[np.arange(len(scores)), [classes.index(str(name)) for name in said]]
    if (scores.max(axis=1) - given > _TIE).any():
        raise FreeholdError("stored weights score otherwise than fitted ones", code="parity")
