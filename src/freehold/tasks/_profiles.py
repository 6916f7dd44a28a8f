"""Learn profiles: how the inputs of tasks without a prompt read, and from which score on a call is one of theirs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt

from freehold.vocabulary import Profile

from ._heads import Head
from ._profile import BUCKETS, STEP, buckets, input_text, leading

Floats = npt.NDArray[np.float64]
Texts = list[npt.NDArray[np.int64]]

_FOLDS = 4
_SMOOTHING = 0.5
_BACKGROUND_SMOOTHING = 1.0
_TASKS_IN_BACKGROUND = 0.3
_MOST_WEIGHT = 255
_SENDER_SHARE = 0.02
_OWN_NEAR = 0.003
_OWN_NEAR_MOST = 0.015
_OWN_SURE = 0.02
_OWN_SURE_MOST = 0.10
_STRANGE_NEAR = 0.90
_STRANGE_SURE = 0.99
_WRONG = 0.005
_LEAST_STRANGERS = 10


def profiles(parts: Sequence[Sequence[Head]], strangers: Sequence[Head]) -> list[Profile]:
    """Learn one profile for each of some tasks.

    Thresholds come from calls read by profiles learned without them (four folds; equal texts fall into one).

    Args:
        parts: the calls of each task.
        strangers: calls that belong to none of them, as far as anybody can tell.
    """
    texts = [_read(part) for part in parts]
    folds = [np.asarray([_fold(head) for head in part]) for part in parts]
    counts = [_counts(found, fold) for found, fold in zip(texts, folds, strict=True)]
    foreign = _read(strangers)
    around = _background(counts, foreign)
    senders = [_senders(part) for part in parts]
    held_out = [[_table(found.sum(axis=0) - found[k], _SMOOTHING) for k in range(_FOLDS)] for found in counts]
    likelihoods = [
        [[_likelihood(tables[k], text) for tables in held_out] for text, k in zip(found, fold, strict=True)]
        for found, fold in zip(texts, folds, strict=True)
    ]
    leads = _leads(likelihoods, parts, senders)
    made: list[Profile] = []
    for i, found in enumerate(counts):
        table = _table(found.sum(axis=0), _SMOOTHING)
        excess = np.asarray([_excess(held_out[i][k], around, text) for text, k in zip(texts[i], folds[i], strict=True)])
        typical = round(float(excess.mean()), 4)
        own = (excess - typical) * _roots(texts[i])
        strange = (np.asarray([_excess(table, around, text) for text in foreign]) - typical) * _roots(foreign)
        near, sure = _floors(own, strange)
        background = around.weights.tobytes() if len(foreign) >= _LEAST_STRANGERS else b""
        made.append(
            Profile(table.weights.tobytes(), table.unseen, background, typical, near, sure, leads[i], senders[i])
        )
    return made


def _read(heads: Sequence[Head]) -> Texts:
    return [np.asarray(buckets(input_text(head.view))) for head in heads]


def _background(counts: list[Floats], strangers: Texts) -> Table:
    """What is usual in the log around: strangers above all, and all the tasks; nothing, where there are too few."""
    found = np.zeros(BUCKETS)
    if len(strangers) >= _LEAST_STRANGERS:
        for text in strangers:
            np.add.at(found, text, 1.0)
        tasks = np.sum([one.sum(axis=0) for one in counts], axis=0)
        found += tasks * (_TASKS_IN_BACKGROUND * found.sum() / max(1.0, tasks.sum()))
    return _table(found, _BACKGROUND_SMOOTHING)


def _fold(head: Head) -> int:
    return crc32(input_text(head.view).encode("utf-8", "surrogatepass")) % _FOLDS


def _counts(texts: Texts, folds: npt.NDArray[np.int64]) -> Floats:
    """How often each bucket occurs, by fold."""
    found = np.zeros((_FOLDS, BUCKETS))
    for one, fold in zip(texts, folds, strict=True):
        np.add.at(found[fold], one, 1.0)
    return found


class Table(NamedTuple):
    """Weights in steps above the logarithm of an unseen bucket's likelihood, and that logarithm."""

    weights: npt.NDArray[np.uint8]
    unseen: float


def _table(counts: Floats, smoothing: float) -> Table:
    steps = np.round(np.log((counts + smoothing) / smoothing) / STEP)
    unseen = math.log(smoothing / (counts.sum() + smoothing * BUCKETS))
    return Table(np.minimum(steps, _MOST_WEIGHT).astype(np.uint8), round(unseen, 4))


def _likelihood(table: Table, text: npt.NDArray[np.int64]) -> float:
    return math.sqrt(len(text)) * (table.unseen + STEP * float(table.weights[text].mean()))


def _excess(table: Table, around: Table, text: npt.NDArray[np.int64]) -> float:
    return STEP * (float(table.weights[text].mean()) - float(around.weights[text].mean()))


def _roots(texts: Texts) -> Floats:
    return np.sqrt(np.asarray([len(text) for text in texts], dtype=np.float64))


def _senders(part: Sequence[Head]) -> tuple[str, ...]:
    counts = Counter(head.view.sender for head in part)
    return tuple(sorted(sender for sender, count in counts.items() if count >= _SENDER_SHARE * len(part)))


def _leads(
    likelihoods: list[list[list[float]]], parts: Sequence[Sequence[Head]], senders: list[tuple[str, ...]]
) -> list[float]:
    """For each task the lead that few calls of the others reach."""
    wrong: list[list[float]] = [[] for _ in parts]
    for i, part in enumerate(parts):
        for head, row in zip(part, likelihoods[i], strict=True):
            first = leading(row, [head.view.sender in known for known in senders])
            if first.place != i:
                wrong[first.place].append(first.lead)
    everyone = sum(map(len, parts))
    found: list[float] = []
    for i, part in enumerate(parts):
        allowed = int(_WRONG * min(len(part), everyone - len(part)))
        ordered = sorted(wrong[i], reverse=True)
        found.append(round(ordered[allowed] + 1e-4, 4) if len(ordered) > allowed else 0.0)
    return found


def _floors(own: Floats, strange: Floats) -> tuple[float, float]:
    """How like the task's inputs a text must read to be one perhaps, and to be one for certain."""
    near, near_most, sure, sure_most = np.quantile(own, (_OWN_NEAR, _OWN_NEAR_MOST, _OWN_SURE, _OWN_SURE_MOST))
    if len(strange) >= _LEAST_STRANGERS:
        near = max(near, min(near_most, np.quantile(strange, _STRANGE_NEAR)))
        sure = max(sure, min(sure_most, np.quantile(strange, _STRANGE_SURE)))
    return round(float(near), 4), round(float(sure), 4)
