"""How much an input resembles those learned from: four signs of familiarity, judged among inputs of like length.

The signs come from a bigram model of the words, rare words replaced by their shape so that new names cost little: mean
log probability, mean pointwise mutual information of neighbours, mean inverse document frequency, and the share of rare
words. Each is standardised by what held-out inputs of about the same length showed: without that, short replies are the
strangest of all, and long foreign texts pass (design/structured-students.md has the figures).

The model knows nothing of answers: a familiar wording that asks for something new passes it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from ._document import Document

MIN_SEEN = 3
"""Inputs that must hold a word for it to stand for itself."""
N_SIGNS = 4
_BIGRAM, _UNIGRAM, _UNIFORM = 0.6, 0.35, 0.05
_PAIR_PRIOR, _WORD_PRIOR, _PMI_CAP = 0.05, 0.5, 4.0
_START, _END = "<s>", "</s>"
_BUCKETS, _BUCKET_PRIOR = 6, 20.0
_KNOTS = 400

Signs = tuple[float, ...]


class Scope(msgspec.Struct):
    """Counts of tokens and pairs over `n_rows` inputs, and what inputs that were not counted looked like.

    `means` and `deviations` of the signs by length bucket, and `knots`: sorted sums of standardised signs. All empty
    where no input was held out: then there is no gate.
    """

    words: dict[str, int]
    pairs: dict[str, int]
    total: int
    n_rows: int
    means: list[Signs] = []
    deviations: list[Signs] = []
    knots: list[float] = []


def learn_scope(docs: Sequence[Document]) -> Scope:
    """Count. `calibrated` adds what inputs that were not counted look like."""
    seen = Counter(word for doc in docs for word in {word for word, _ in _words(doc)})
    kept = {word for word, n in seen.items() if n >= MIN_SEEN}
    words: Counter[str] = Counter()
    pairs: Counter[str] = Counter()
    for doc in docs:
        row = _row(doc, kept)
        words.update(row)
        pairs.update(f"{a} {b}" for a, b in pairwise(row))
    return Scope({w: words[w] for w in sorted(words)}, {p: pairs[p] for p in sorted(pairs)}, words.total(), len(docs))


def signs_of(scope: Scope, doc: Document, seen: Sequence[int]) -> Signs:
    """The signs of familiarity, greater is more familiar. `seen`: training inputs that held each token's word."""
    row = _row(doc, scope.words)
    uniform = 1.0 / (len(scope.words) + 1)
    likelihood = mutual = 0.0
    for a, b in pairwise(row):
        pair, first, second = scope.pairs.get(f"{a} {b}", 0), scope.words.get(a, 0), scope.words.get(b, 0)
        bigram, unigram = pair / max(1, first), second / max(1, scope.total)
        likelihood += math.log(_BIGRAM * bigram + _UNIGRAM * unigram + _UNIFORM * uniform)
        chance = max(_WORD_PRIOR, first) * max(_WORD_PRIOR, second) / max(1, scope.total)
        mutual += max(-_PMI_CAP, min(_PMI_CAP, math.log((pair + _PAIR_PRIOR) / chance)))
    n = max(1, len(seen))
    rarity = sum(math.log((scope.n_rows + 1) / (min(count, scope.n_rows) + 1)) for count in seen) / n
    rare = sum(count < MIN_SEEN for count in seen) / n
    return likelihood / (len(row) - 1), mutual / (len(row) - 1), -rarity, -rare


def calibrated(scope: Scope, shown: Sequence[tuple[int, Signs]]) -> Scope:
    """The scope with what (length in tokens, signs) of held-out inputs say is usual."""
    signs = np.array([one for _, one in shown], dtype=np.float64)
    buckets = np.array([_bucket(n) for n, _ in shown])
    mean, variance = signs.mean(axis=0), signs.var(axis=0) + 1e-6
    means: list[Signs] = []
    deviations: list[Signs] = []
    for bucket in range(_BUCKETS):
        part = signs[buckets == bucket]
        weight = len(part) + _BUCKET_PRIOR
        centre = (part.sum(axis=0) + _BUCKET_PRIOR * mean) / weight
        spread = np.sqrt((((part - centre) ** 2).sum(axis=0) + _BUCKET_PRIOR * variance) / weight)
        means.append(tuple(float(x) for x in centre))
        deviations.append(tuple(float(x) for x in spread))
    out = msgspec.structs.replace(scope, means=means, deviations=deviations)
    return msgspec.structs.replace(out, knots=_knots(_score(out, n, one) for n, one in shown))


def scope_of(scope: Scope, doc: Document, seen: Sequence[int]) -> float:
    """In [0, 1]: the share of held-out inputs that looked less familiar. 1 where there were none to compare with."""
    if not scope.knots:
        return 1.0
    score = _score(scope, len(doc.words), signs_of(scope, doc, seen))
    place = bisect_right(scope.knots, score)
    if place == 0:
        # Below all that was seen: still ordered, so that a stricter threshold than any share can be set.
        return 0.5 / len(scope.knots) / (1.0 + scope.knots[0] - score)
    return place / len(scope.knots)


def _score(scope: Scope, n_tokens: int, signs: Signs) -> float:
    bucket = _bucket(n_tokens)
    return sum(
        (sign - mean) / deviation
        for sign, mean, deviation in zip(signs, scope.means[bucket], scope.deviations[bucket], strict=True)
    )


def _bucket(n_tokens: int) -> int:
    return min(_BUCKETS - 1, max(1, n_tokens).bit_length() - 1)


def _knots(scores: Iterable[float]) -> list[float]:
    """At most a few hundred of the scores, evenly spaced in rank."""
    ordered = sorted(scores)
    if len(ordered) <= _KNOTS:
        return ordered
    return [ordered[round(i * (len(ordered) - 1) / (_KNOTS - 1))] for i in range(_KNOTS)]


def _words(doc: Document) -> list[tuple[str, str]]:
    """(word, what stands for it where it is rare) of context and text."""
    context = [(word, "<context>") for _, words in doc.context_words for word in words]
    return context + [(word, f"<{shape}>") for word, shape in zip(doc.lower, doc.shapes, strict=True)]


def _row(doc: Document, kept: Container[str]) -> list[str]:
    return [_START, *(word if word in kept else rare for word, rare in _words(doc)), _END]
