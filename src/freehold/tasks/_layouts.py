"""Join clusters that are layouts of one short instruction: before the input or after it, with examples or without.

Two words of instruction share too little text for `_clusters` to say that they are one task. But where the same words
stand in both and in no prompt that is answered otherwise, where neither says anything that no other prompt says too,
and where the answers are the same labels, keys or wording, nothing is left that could tell the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from ._answers import Answers
from ._clusters import Cluster
from ._text import words

Pair = tuple[str, str]

_COMPARED = 1000
_SAME = 0.8
_FORMAL = 0.8
_OWN = 1
_WITHIN = frozenset("'\"`\u2019\u201c\u201d-_/")


class _Said(msgspec.Struct, eq=False):
    """A cluster, the pairs of words that its prompts say, and its answers."""

    cluster: Cluster
    pairs: set[Pair]
    answers: Answers


def joined(clusters: Sequence[Cluster]) -> list[Cluster]:
    """The clusters, those that are layouts of one instruction as one; known tasks are never joined to each other."""
    said = [_said(cluster) for cluster in clusters]
    kept: list[_Said] = []
    for one in said:
        home = None if one.cluster.task_id else next((other for other in kept if _one_task(one, other, said)), None)
        if home is None:
            kept.append(one)
            continue
        have = {template.id for template in home.cluster.templates}
        home.cluster.templates += [t for t in one.cluster.templates if t.id not in have]
        home.cluster.heads += one.cluster.heads
        home.cluster.seen += one.cluster.seen
        home.cluster.mined_from += one.cluster.mined_from
    return [one.cluster for one in kept]


def _said(cluster: Cluster) -> _Said:
    answers = Answers([head.answer for head in cluster.heads[:_COMPARED] if head.answer is not None])
    pairs: set[Pair] = set()
    for template in cluster.templates:
        for pattern in template.messages:
            for piece in pattern.pieces:
                if isinstance(piece, str):
                    pairs.update(_pairs(piece))
    return _Said(cluster, pairs, answers)


def _pairs(text: str) -> set[Pair]:
    """Words that follow one another, with nothing but blanks or quotes between: what stands around moves with it."""
    found: set[Pair] = set()
    run: list[str] = []
    for word in [*words(text), "\n"]:
        if any(map(str.isalpha, word)):
            run.append(word.casefold())
        elif word not in _WITHIN:
            found.update(pairwise(run))
            run = []
    return found


def _one_task(one: _Said, other: _Said, every: Sequence[_Said]) -> bool:
    a, b = one.cluster, other.cluster
    if (a.tools, a.schema) != (b.tools, b.schema) or a.read or b.read or not _same(one.answers, other.answers):
        return False
    rest = [third for third in every if third is not one and third is not other]
    shared = one.pairs & other.pairs
    for third in rest:
        if not _same(one.answers, third.answers):
            shared = shared - third.pairs
    if not shared:
        return False
    elsewhere = {pair for third in rest for pair in third.pairs}
    return len(one.pairs - other.pairs - elsewhere) <= _OWN and len(other.pairs - one.pairs - elsewhere) <= _OWN


def _same(a: Answers, b: Answers) -> bool:
    """Whether both give the same labels, the same keys, or texts of the same wording."""
    if not a.n or not b.n:
        return False
    if a.closed and b.closed:
        return min(a.gives(b), b.gives(a)) >= _SAME
    if min(a.share("json"), b.share("json")) >= _FORMAL:
        return min(a.gives(b), b.gives(a)) >= _SAME
    return a.same_wording(b)
