"""Closed values: softmax over sparse words, word pairs and parts of words. Scored without scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from ._document import Document
from ._tokens import tokenise

_MAX_WORDS = 600
_CHARS = 4
"""Length of the parts of words. One length: three of them bought nothing on the tasks this was tuned on."""


class Head(msgspec.Struct, frozen=True):
    """One closed leaf's classes, and the columns `start`... of the shared weights that score them."""

    leaf: int
    classes: tuple[str, ...]
    start: int


def grams(doc: Document, level: int) -> set[str]:
    """The features of a whole input, of every slot, context included."""
    out: set[str] = set()
    for slot, text in enumerate(doc.inputs):
        lower = text.lower()
        words = [lower[a:b] for a, b in tokenise(lower[: _MAX_WORDS * 10], level)][:_MAX_WORDS]
        previous = "<"
        for word in words:
            out.add(f"{slot} {word}")
            out.add(f"{slot} {previous} {word}")
            previous = word
            edged = f"^{word}$"
            out.update([f"{slot}~{edged[i : i + _CHARS]}" for i in range(len(edged) - _CHARS + 1)])
        out.add(f"{slot} {previous} >")
    return out


class Heads:
    """The heads of a student, over one vocabulary."""

    def __init__(self, vocabulary: Mapping[str, int], idf: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
        self._vocabulary = vocabulary
        self._idf = idf
        self._weights = weights  # One row per feature; the last row is the intercept.

    def score(self, doc: Document, level: int) -> NDArray[np.float64]:
        """Every column's score of an input."""
        index = sorted(i for i in map(self._vocabulary.get, grams(doc, level)) if i is not None)
        intercept = self._weights[-1].astype(np.float64)
        if not index:
            return intercept
        values = self._idf[index].astype(np.float64)
        values /= math.sqrt(float(values @ values)) or 1.0
        return values @ self._weights[index].astype(np.float64) + intercept


def best_class(head: Head, scores: NDArray[np.float64], allowed: Sequence[bool] | None = None) -> tuple[str, float]:
    """A head's likeliest class and its log probability."""
    part = scores[head.start : head.start + len(head.classes)].copy()
    if allowed is not None:
        part[~np.asarray(allowed)] = -np.inf
    best = int(part.argmax())
    shifted = part - part[best]
    return head.classes[best], -math.log(float(np.exp(shifted).sum()))
