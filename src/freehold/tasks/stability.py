"""How stable a discovery is: whether other calls of the same traffic would have given the same tasks.

Method: Hennig, "Cluster-wise assessment of cluster stability" (Computational Statistics & Data Analysis 52, 2007), with
halves drawn at random in place of bootstrap samples, because two copies of one call are no evidence that it recurs. On
each half discovery is run anew, knowing nothing; calls of neither sample's choice are then sorted by both results. Two
figures come out: the adjusted Rand index of the two sortings (Hubert and Arabie, 1985; 1 the same, 0 chance),
and for each task the largest share that its calls and those of one task of the rerun have in common (Jaccard). What it
does not say: whether the tasks are right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import comb
from statistics import fmean

import msgspec
import numpy as np

from freehold.vocabulary import Call, Task

from .discovery import SMALLEST, discover
from .matching import TaskMatcher

HALVES = 2
MOST = 2000
"""Calls in a half, and calls that both results sort."""

_FEWEST = 8 * SMALLEST
_FEWEST_OF_TASK = 5


class Stability(msgspec.Struct, frozen=True):
    """What reruns on halves of the calls agreed on.

    `ari` is the mean over `reruns`, None where there were too few calls to rerun; `by_task` holds the mean Jaccard
    overlap of each task of which at least five calls were sorted; `calls` were sorted by both.
    """

    ari: float | None
    calls: int
    reruns: int
    by_task: dict[str, float] = {}


def stability(calls: Sequence[Call], tasks: Sequence[Task], *, halves: int = HALVES, most: int = MOST) -> Stability:
    """Rerun discovery on halves of some calls and compare.

    Args:
        calls: a sample of the traffic that the tasks were found in.
        tasks: the tasks found.
        halves: reruns, each on a half of its own.
        most: calls in a half, and calls that are sorted.
    """
    bodied = [task for task in tasks if not task.stated]
    if len(calls) < _FEWEST or not bodied:
        return Stability(None, 0, 0)
    ordered = sorted(calls, key=lambda call: call.id)
    matched = TaskMatcher(bodied)
    judged = [ordered[i] for i in np.random.default_rng(7).permutation(len(ordered))[:most]]
    ours = [_task_of(matched, call) for call in judged]
    agreed: list[float] = []
    overlaps: defaultdict[str, list[float]] = defaultdict(list)
    for number in range(halves):
        order = np.random.default_rng(number).permutation(len(ordered))[: min(most, len(ordered) // 2)]
        again = TaskMatcher(discover([ordered[i] for i in order]).tasks)
        theirs = [_task_of(again, call) for call in judged]
        agreed.append(adjusted_rand_index(ours, theirs))
        for task_id, overlap in _overlaps(ours, theirs).items():
            overlaps[task_id].append(overlap)
    by_task = {task_id: round(fmean(values), 4) for task_id, values in sorted(overlaps.items())}
    return Stability(round(fmean(agreed), 4), len(judged), halves, by_task)


def adjusted_rand_index(a: Sequence[str], b: Sequence[str]) -> float:
    """How alike two sortings of the same things are: 1 the same, 0 what chance gives."""
    return rand_index_of(Counter(zip(a, b, strict=True)))


def rand_index_of(pairs: Mapping[tuple[str, str], int]) -> float:
    """The same, from how many things were sorted into each pair of places."""
    sides: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for pair, n in pairs.items():
        for side, place in zip(sides, pair, strict=True):
            side[place] += n
    together = sum(comb(n, 2) for n in pairs.values())
    first, second = (sum(comb(n, 2) for n in side.values()) for side in sides)
    every = comb(sum(pairs.values()), 2)
    expected = first * second / every if every else 0.0
    most = (first + second) / 2
    return 1.0 if most == expected else (together - expected) / (most - expected)


def _task_of(matcher: TaskMatcher, call: Call) -> str:
    match = matcher.match_call(call)
    return match.task_id if match is not None else ""


def _overlaps(ours: Sequence[str], theirs: Sequence[str]) -> dict[str, float]:
    both = Counter(zip(ours, theirs, strict=True))
    mine, other = Counter(ours), Counter(theirs)
    found: dict[str, float] = {}
    for (task_id, theirs_id), n in both.items():
        if task_id and mine[task_id] >= _FEWEST_OF_TASK:
            overlap = n / (mine[task_id] + other[theirs_id] - n) if theirs_id else 0.0
            found[task_id] = max(found.get(task_id, 0.0), overlap)
    return found
