"""How much an input resembles those learned from: a bigram model over words, rare words replaced by their shape.

The score of an input is the mean log probability of its tokens. Names and titles never seen before cost little, since
only their shape is predicted; words and turns of phrase that the task does not use cost much. The model knows nothing
of answers, and a familiar wording that asks for something new passes it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Container, Iterable
from itertools import pairwise

import msgspec

from ._document import Document

MIN_SEEN = 3
"""Inputs that must hold a word for it to stand for itself."""
_BIGRAM, _UNIGRAM, _UNIFORM = 0.6, 0.35, 0.05
_START, _END = "<s>", "</s>"
_KNOTS = 200


class Scope(msgspec.Struct):
    """Counts of tokens and pairs, and `knots`: sorted scores of inputs that were held out while counting."""

    words: dict[str, int]
    pairs: dict[str, int]
    total: int
    knots: list[float]


def learn_scope(docs: Iterable[Document]) -> Scope:
    """Count. Knots come later, from inputs that were not counted."""
    docs = list(docs)
    seen = Counter(word for doc in docs for word in {word for word, _ in _words(doc)})
    kept = {word for word, n in seen.items() if n >= MIN_SEEN}
    words: Counter[str] = Counter()
    pairs: Counter[str] = Counter()
    for doc in docs:
        row = _row(doc, kept)
        words.update(row)
        pairs.update(f"{a} {b}" for a, b in pairwise(row))
    return Scope(
        {w: words[w] for w in sorted(words)}, {p: pairs[p] for p in sorted(pairs) if pairs[p] > 1}, words.total(), []
    )


def familiarity(scope: Scope, doc: Document) -> float:
    """Mean log probability of an input's tokens."""
    row = _row(doc, scope.words)
    uniform = 1.0 / (len(scope.words) + 1)
    total = 0.0
    for a, b in pairwise(row):
        bigram = scope.pairs.get(f"{a} {b}", 0) / scope.words.get(a, 1)
        unigram = scope.words.get(b, 0) / max(1, scope.total)
        total += math.log(_BIGRAM * bigram + _UNIGRAM * unigram + _UNIFORM * uniform)
    return total / (len(row) - 1)


def knots_of(scores: Iterable[float]) -> list[float]:
    """At most a few hundred of the scores, evenly spaced in rank."""
    ordered = sorted(scores)
    if len(ordered) <= _KNOTS:
        return ordered
    return [ordered[round(i * (len(ordered) - 1) / (_KNOTS - 1))] for i in range(_KNOTS)]


def scope_of(scope: Scope, doc: Document) -> float:
    """In [0, 1]: the share of held-out inputs that looked less familiar. 1 where there were none to compare with."""
    if not scope.knots:
        return 1.0
    score = familiarity(scope, doc)
    place = bisect_right(scope.knots, score)
    if place == 0:
        # Below all that was seen: still ordered, so that a stricter threshold than any share can be set.
        return 0.5 / len(scope.knots) / (1.0 + scope.knots[0] - score)
    return place / len(scope.knots)


def _words(doc: Document) -> list[tuple[str, str]]:
    """(word, what stands for it where it is rare) of context and text."""
    context = [(word, "<context>") for _, words in doc.context_words for word in words]
    return context + [(word, f"<{shape}>") for word, shape in zip(doc.lower, doc.shapes, strict=True)]


def _row(doc: Document, kept: Container[str]) -> list[str]:
    return [_START, *(word if word in kept else rare for word, rare in _words(doc)), _END]
