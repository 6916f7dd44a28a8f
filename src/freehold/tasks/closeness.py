"""The most typical and the strangest calls of a task: by how close their inputs and answers are to the task's centre.

Method: the words, pairs of words and beginnings of words of input and answer, hashed into 4,096 buckets (`_profile`);
each call a vector, bucket by bucket weighed by how rare it is among the task's calls (tf-idf, Salton and Buckley 1988)
and of length one. A call's closeness is the cosine with the mean of all vectors, which is the mean of its likenesses
with every call. What it does not promise: that a strange call is a wrong one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from ._profile import BUCKETS, buckets


class Closeness(msgspec.Struct, frozen=True):
    """A call and how close it is to its task's centre, from 0 (nothing in common) to 1."""

    call_id: str
    value: float


def by_closeness(calls: Sequence[tuple[str, str]]) -> list[Closeness]:
    """Calls, given as ids and texts, the closest to their common centre first."""
    if not calls:
        return []
    found = _vectors([text for _, text in calls])
    centre = found.mean(axis=0)
    length = float(np.linalg.norm(centre))
    values = found @ centre / length if length else np.zeros(len(calls))
    closest = [Closeness(call_id, round(float(value), 4)) for (call_id, _), value in zip(calls, values, strict=True)]
    return sorted(closest, key=lambda one: (-one.value, one.call_id))


def _vectors(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    held = np.zeros((len(texts), BUCKETS), np.float32)
    for i, text in enumerate(texts):
        places, counts = np.unique(np.asarray(buckets(text)), return_counts=True)
        held[i, places] = 1 + np.log(counts)
    spread = (held > 0).sum(axis=0)
    held *= np.log((1 + len(texts)) / (1 + spread)).astype(np.float32) + 1
    lengths = np.linalg.norm(held, axis=1, keepdims=True)
    return held / np.maximum(lengths, np.float32(1e-9))
