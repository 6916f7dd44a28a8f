"""Labels that a prompt offers and no example taught: what an input has in common with their names.

A prompt that lists its labels says which kinds of input there are before any of them is seen. The words of a label that
was never taught ("lost_or_stolen_phone") tell its inputs from those of the label nearest to it, which the student would
otherwise give. How much a name says is learned in rehearsals, where whole classes are left out and only their names are
known; names that say nothing come to nothing.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

_CAMEL = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")
_BETWEEN_WORDS = re.compile(r"[\W_]+")


class Names(NamedTuple):
    """Names of the classes and then of the labels never taught, as weights [K, N] of the features [K] that any has.

    Empty where every label that is offered was taught: then there is nothing to compare an input with.
    """

    columns: I32
    weights: F32

    def nearness(self, index: NDArray[np.integer[Any]], value: F32) -> F32:
        """[N]: of one input, given its feature columns and their weights, to each name."""
        at = np.minimum(np.searchsorted(self.columns, index), max(len(self.columns) - 1, 0))
        known = self.columns[at] == index if len(self.columns) else np.zeros(len(index), np.bool_)
        return value[known] @ self.weights[at[known]]


def words_of(label: str) -> str:
    """A label as the words that it is made of: `cardNotWorking_2` is "card Not Working 2"."""
    return _BETWEEN_WORDS.sub(" ", _CAMEL.sub(" ", label)).strip()


def no_names() -> Names:
    """Where no label is offered that was not taught."""
    return Names(np.zeros(0, np.int32), np.zeros((0, 0), np.float32))


def compared(nearness: F32, said: I64, n_classes: int) -> F32:
    """[m, 2]: nearness to the nearest name never taught, and how far that is beyond the name of the class `said`."""
    if nearness.shape[1] <= n_classes:
        return np.zeros((len(said), 2), np.float32)
    untaught = nearness[:, n_classes:].max(axis=1)
    return np.stack([untaught, untaught - nearness[np.arange(len(said)), said]], axis=1).astype(np.float32)
