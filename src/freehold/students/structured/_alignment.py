"""Finding in the inputs what the answers copied from them.

Where a value stands in several places, the place whose surroundings look most like those of values found in one place
only is taken; the first among equals.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from ._answers import Json
from ._copying import TRANSFORMS, sites
from ._document import MAX_HEADING, Document, document, lines_of
from ._tokens import LEVELS

HEADING_AT = 0.05
"""Share of inputs in which a line's beginning up to its colon must come again to be a heading."""
_ENOUGH = 0.985
"""A transform that finds this share of the values is taken without trying the rest; levels are compared likewise."""
_CONTEXT_HITS = 0.002
_CONTEXT_KINDS = 0.05
_SAMPLE = 800

Inputs = tuple[str, ...]


class Wanted(msgspec.Struct, frozen=True):
    """A value to be found: which leaf holds it, and the transform it goes through."""

    leaf: int
    transform: str
    value: Json


class Sighting(msgspec.Struct, frozen=True):
    """Tokens `first` to `last` were copied into these leaves."""

    leaves: tuple[int, ...]
    first: int
    last: int


class Located(msgspec.Struct):
    """A document and where its characters lie in its tokens."""

    doc: Document
    starts: dict[tuple[int, int], int]
    ends: dict[tuple[int, int], int]

    def sites(self, value: Json, transform: str) -> list[tuple[int, int]]:
        """Token ranges (first, last) that hold the value."""
        found: list[tuple[int, int]] = []
        for slot, text in enumerate(self.doc.inputs):
            for start, end in sites(value, text, transform):
                first, last = self.starts.get((slot, start)), self.ends.get((slot, end))
                if first is not None and last is not None and first <= last:
                    found.append((first, last))
        return found


def located(inputs: Inputs, level: int, headings: frozenset[str], context: frozenset[str] = frozenset()) -> Located:
    """Tokenise one input and index it."""
    doc = document(inputs, level, headings, context)
    return Located(
        doc,
        {(slot, start): i for i, (slot, start, _) in enumerate(doc.places)},
        {(slot, end): i for i, (slot, _, end) in enumerate(doc.places)},
    )


def common_headings(inputs: Sequence[Inputs]) -> tuple[str, ...]:
    """Beginnings of lines, up to a colon, that come again from input to input."""
    counts: Counter[str] = Counter()
    for texts in inputs:
        heads: set[str] = set()
        for text in texts:
            for line in text.splitlines():
                head, colon, _ = line[: MAX_HEADING + 1].partition(":")
                if colon and head.strip():
                    heads.add(head.strip())
        counts.update(heads)
    return tuple(sorted(head for head, n in counts.items() if n >= max(3, HEADING_AT * len(inputs))))


def best_level(items: Sequence[tuple[Inputs, list[Json]]], headings: tuple[str, ...]) -> int:
    """The coarsest tokens at which nearly as many values can be found as at finer ones.

    Single characters are taken only where words lose a tenth of the values: at that level much is found by chance.
    """
    known = frozenset(headings)
    step = max(1, len(items) // _SAMPLE)
    found: list[int] = []
    for level in LEVELS:
        count = 0
        for inputs, values in items[::step]:
            at = located(inputs, level, known)
            count += sum(bool(at.sites(value, "copy")) for value in values)
        found.append(count)
    if found[0] >= _ENOUGH * found[1] and found[1] >= 0.9 * found[2]:
        return 0
    return 1 if found[1] >= 0.9 * found[2] else 2


def best_transform(items: Sequence[tuple[Located, Json]]) -> tuple[str, float]:
    """The transform under which most values are found in their inputs, and that share."""
    best, share = "copy", 0.0
    for name in TRANSFORMS:
        found = sum(bool(at.sites(value, name)) for at, value in items)
        if items and found / len(items) > share:
            best, share = name, found / len(items)
        if share >= _ENOUGH:
            break
    return best, share


class Surroundings:
    """What stands around copied values: for choosing among several places."""

    def __init__(self) -> None:
        self._all: Counter[str] = Counter()
        self._leaf: dict[int, Counter[str]] = defaultdict(Counter)

    def learn(self, doc: Document, sightings: Sequence[Sighting]) -> None:
        """Count one document in which every value stood in one place."""
        for i in range(len(doc.words)):
            self._all.update(_around(doc, i, i))
        for sighting in sightings:
            for leaf in sighting.leaves:
                self._leaf[leaf].update(_around(doc, sighting.first, sighting.last))

    def score(self, doc: Document, leaf: int, first: int, last: int) -> float:
        """How much a place looks like one that the leaf copies from."""
        counts = self._leaf[leaf]
        return sum(math.log((counts[k] + 0.1) / (self._all[k] + 1.0)) for k in _around(doc, first, last))


def _around(doc: Document, first: int, last: int) -> tuple[str, str, str]:
    before = doc.lower[first - 1] if first and doc.lines[first - 1] == doc.lines[first] else ""
    after = doc.lower[last + 1] if last + 1 < len(doc.lower) and doc.lines[last + 1] == doc.lines[last] else ""
    return f"<{before}", f">{after}", f"={doc.names[doc.lines[first]]}"


def place(at: Located, wanted: Sequence[Wanted], around: Surroundings | None) -> tuple[list[Sighting], bool] | None:
    """Give every wanted value a place, longest surfaces first, none overlapping another.

    Values that only one place can serve share it. Returns the sightings and whether there was never a choice; None
    where a value has no place left.
    """
    options = [(want, at.sites(want.value, want.transform)) for want in wanted]
    options.sort(key=lambda pair: (-max((b - a for a, b in pair[1]), default=0), pair[0].leaf))
    taken: dict[tuple[int, int], list[int]] = {}
    used: set[int] = set()
    sure = True
    for want, places in options:
        free = [p for p in places if used.isdisjoint(range(p[0], p[1] + 1))]
        shared = [p for p in places if p in taken and want.leaf not in taken[p]]
        sure = sure and len(places) == 1
        if free:
            chosen = max(free, key=lambda p: (around.score(at.doc, want.leaf, *p) if around else 0.0, -p[0]))
            taken[chosen] = [want.leaf]
            used.update(range(chosen[0], chosen[1] + 1))
        elif shared:
            taken[shared[0]].append(want.leaf)
        else:
            return None
    return [Sighting(tuple(sorted(leaves)), *span) for span, leaves in sorted(taken.items())], sure


def context_lines(inputs: Sequence[Inputs], headings: tuple[str, ...], hits: Counter[str]) -> tuple[str, ...]:
    """Names of lines that nothing is copied from and that say one of few things: a form's other answers, a mode.

    One kind of line at least must remain for copying from.
    """
    known = frozenset(headings)
    texts: dict[str, Counter[str]] = defaultdict(Counter)
    for slots in inputs:
        for name, slot, start, end in lines_of(slots, known):
            texts[name][slots[slot][start:end].strip()] += 1
    total = max(1, hits.total())
    out = [
        name
        for name, kinds in texts.items()
        if hits[name] <= _CONTEXT_HITS * total
        and len(kinds) <= max(10, _CONTEXT_KINDS * kinds.total())
        and sum(len(text) for text in kinds) / len(kinds) <= 200
    ]
    return tuple(sorted(out)) if hits.total() and len(out) < len(texts) else ()
