"""Splitting a task by one closed value that decides which values are copied (an intent, a document's type).

A tagger for each part has a fraction of the labels, learns faster, and confuses less.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from ._assembly import Span
from ._plan import ABSENT, COPIED, OTHER, Plan

MIN_PART = 150
"""Fewer rows are not worth a tagger of their own."""
MAX_VALUES = 60
SPLIT_AT = 0.6
"""A split is worth it where a part has at most this share of all labels, averaged over rows."""
_ALIKE = 0.7
_RARE = 0.005

Taken = tuple[Mapping[int, str], Sequence[Span]]


def choose_parts(plan: Plan, rows: Sequence[Taken]) -> tuple[int, dict[str, int]]:
    """The leaf that splits best and its classes' parts; (-1, {}) where one tagger should do it all."""
    best: tuple[float, int, dict[str, int]] = (SPLIT_AT, -1, {})
    for index, leaf in enumerate(plan.leaves):
        usable = leaf.role == "closed" and 2 <= len(leaf.classes) <= MAX_VALUES and leaf.n >= 0.99 * plan.n_explained
        if not usable or not rows:
            continue
        used: dict[str, Counter[int]] = defaultdict(Counter)
        size: Counter[str] = Counter()
        for classes, spans in rows:
            value = classes.get(index, ABSENT)
            size[value] += 1
            used[value].update({span.label for span in spans})
        if ABSENT in size or OTHER in size or COPIED in size or min(size.values()) < MIN_PART:
            continue
        parts = _grouped(used, size)
        share = _mean_labels(parts, used, size) / max(1, len(plan.labels))
        if share < best[0]:
            best = (share, index, parts)
    return best[1], best[2]


def _grouped(used: Mapping[str, Counter[int]], size: Counter[str]) -> dict[str, int]:
    """Values that use nearly the same labels share a part."""
    sets: list[set[int]] = []
    parts: dict[str, int] = {}
    for value in sorted(size, key=lambda v: (-size[v], v)):
        labels = {label for label, n in used[value].items() if n >= _RARE * size[value]}
        for part, known in enumerate(sets):
            if len(labels & known) >= _ALIKE * len(labels | known):
                known.update(labels)
                parts[value] = part
                break
        else:
            parts[value] = len(sets)
            sets.append(labels)
    return parts


def _mean_labels(parts: Mapping[str, int], used: Mapping[str, Counter[int]], size: Counter[str]) -> float:
    labels: dict[int, set[int]] = defaultdict(set)
    for value, part in parts.items():
        labels[part] |= set(used[value])
    return sum(len(labels[part]) * size[value] for value, part in parts.items()) / size.total()
