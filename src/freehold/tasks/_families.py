"""Sort prompts into families by the text they share, without being told what a prompt looks like.

Runs of three words are counted over all prompts. Words of one instruction occur in the same prompts, all of them or
none: runs with (nearly) the same set of prompts are one chunk of constant text. Prompts are divided by the chunk that
says most, again and again, as long as a division is worth it: because answers on either side are of different kinds,
or because the chunk is too long to be something that people merely say often.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import sparse

from ._answers import Answers, Parsed
from ._text import clipped, words

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_HEAD_CHARS = 9000
_TAIL_CHARS = 3000
_LONG_CHUNK = 12
_PHRASE = 5
_FREQUENT = 0.05
_COMPARED = 300
_ONE_ANSWER = 0.9
_SHORTEST_CHUNK = 3
_SAME_DOCUMENTS = 0.85
_CONSTANT = 0.9
_TRIED = 24
_DEEPEST = 24


class Shingled(msgspec.Struct):
    """All prompts of one shape, each as a sorted array of the hashes of its three-word runs."""

    runs: list[Hashes]
    answers: list[Parsed]
    edges: Hashes
    """Runs that begin or end a message."""


def shingle(prompts: Sequence[Sequence[str]], answers: list[Parsed]) -> Shingled:
    """Turn prompts (each the texts of its messages) into hashed runs of three words, message ends marked."""
    vocabulary: dict[str, int] = {}
    runs: list[Hashes] = []
    edges: set[int] = set()
    for texts in prompts:
        ids: list[int] = []
        ends: list[int] = []
        for position, text in enumerate(texts):
            marked = [f"\x02{min(position, 2)}", *words(clipped(text, _HEAD_CHARS, _TAIL_CHARS)), "\x03"]
            ends += [len(ids), len(ids) + len(marked) - 3]
            ids.extend([vocabulary.setdefault(word, len(vocabulary)) for word in marked])
        a = np.asarray(ids, dtype=np.uint64)
        if len(a) < 3:
            runs.append(np.empty(0, np.uint64))
            continue
        mixed = a[:-2] * np.uint64(0x9E3779B97F4A7C15) + a[1:-1] * np.uint64(0xC2B2AE3D27D4EB4F) + a[2:]
        mixed *= np.uint64(0x165667B19E3779F9)
        mixed ^= mixed >> np.uint64(29)
        edges.update(mixed[[end for end in ends if 0 <= end < len(mixed)]].tolist())
        runs.append(np.unique(mixed))
    return Shingled(runs, answers, np.asarray(sorted(edges), np.uint64))


class Family(msgspec.Struct):
    """Prompts that share their instructions: positions in the sample, and the runs that nearly all of them hold."""

    members: Ints
    constant: Hashes


def families(prompts: Shingled, smallest: int) -> list[Family]:
    """Divide prompts into families. Prompts that share nothing with `smallest` others are a family of leftovers."""
    found: list[Family] = []
    waiting: list[tuple[Ints, int]] = [(np.arange(len(prompts.runs)), 0)]
    while waiting:
        members, depth = waiting.pop()
        table = _table(prompts, members)
        part = _division(prompts, members, table, smallest) if depth < _DEEPEST else None
        if part is None:
            found.append(Family(members, table.hashes[table.counts >= _CONSTANT * len(members)]))
        else:
            waiting += [(members[part], depth + 1), (members[~part], depth + 1)]
    return sorted(found, key=lambda f: int(f.members[0]))


class _Table(msgspec.Struct):
    hashes: Hashes
    counts: Ints
    by_run: Any


def _table(prompts: Shingled, members: Ints) -> _Table:
    """Which run occurs in which prompt, as a sparse matrix of runs by prompts; rare runs are left out."""
    sizes = [len(prompts.runs[i]) for i in members]
    if not sum(sizes):
        return _Table(np.empty(0, np.uint64), np.empty(0, np.int64), None)
    every = np.concatenate([prompts.runs[i] for i in members])
    hashes, inverse, counts = np.unique(every, return_inverse=True, return_counts=True)
    documents = np.repeat(np.arange(len(members)), sizes)
    keep = counts >= 3
    place = np.cumsum(keep) - 1
    chosen = keep[inverse]
    ones = np.ones(int(chosen.sum()), np.float32)
    shape = (int(keep.sum()), len(members))
    matrix = sparse.csr_matrix((ones, (place[inverse[chosen]], documents[chosen])), shape=shape)
    return _Table(hashes[keep], counts[keep].astype(np.int64), matrix)


def _division(prompts: Shingled, members: Ints, table: _Table, smallest: int) -> npt.NDArray[np.bool_] | None:
    """The best chunk to divide by: which members hold it, or None where no division is worth it."""
    n = len(members)
    if n < 2 * smallest or table.by_run is None:
        return None
    parted = np.flatnonzero((table.counts >= smallest) & (table.counts <= n - smallest))
    if not len(parted):
        return None
    best: tuple[float, npt.NDArray[np.bool_] | None] = (0.0, None)
    at_edge = np.isin(table.hashes[parted], prompts.edges)
    for holders, length, edged in _chunks(table.by_run[parted], at_edge):
        share = float(holders.mean())
        different = _difference(prompts.answers, members[holders], members[~holders])
        long = length >= _LONG_CHUNK or (length >= _PHRASE and share >= _FREQUENT)
        if long or (different > 0.5 and (edged or length >= _PHRASE)):
            best = max(best, (min(length, _LONG_CHUNK) * share * (0.3 + different), holders), key=lambda pair: pair[0])
    return best[1]


def _difference(answers: list[Parsed], inside: Ints, outside: Ints) -> float:
    """How little the answers on either side of a division could come from one task: 0 the same, 1 nothing alike."""
    a, b = (Answers([answers[i] for i in part[:: max(1, len(part) // _COMPARED)]]) for part in (inside, outside))
    if a.closed and a.short.most_common(1)[0][1] >= _ONE_ANSWER * a.n:
        return 0.0  # who always gets one answer has said something that decides it, not been asked something else
    return 1 - min(a.explains(b), b.explains(a))


def _chunks(by_run: Any, at_edge: npt.NDArray[np.bool_]) -> list[tuple[npt.NDArray[np.bool_], int, bool]]:
    """Chunks of runs with nearly the same prompts: who holds them, how many runs, whether at a message's edge."""
    rng = np.random.default_rng(0)
    marks = rng.integers(1, 2**40, size=by_run.shape[1]).astype(np.float64)
    counts = np.asarray(by_run.sum(axis=1)).ravel()
    same = np.round(by_run @ marks)
    _, first, sizes = np.unique(same, return_index=True, return_counts=True)
    order = np.argsort(-(np.minimum(sizes, _LONG_CHUNK) * counts[first]), kind="stable")[:_TRIED]
    found: list[tuple[npt.NDArray[np.bool_], int, bool]] = []
    for row in first[order]:
        holders = np.asarray(by_run[row].todense()).ravel() > 0
        shared = by_run @ holders.astype(np.float32)
        chunk = shared / (counts + holders.sum() - shared) >= _SAME_DOCUMENTS
        length = int(chunk.sum())
        if length >= _SHORTEST_CHUNK:
            found.append((holders, length, bool(at_edge[chunk].any())))
    return found
