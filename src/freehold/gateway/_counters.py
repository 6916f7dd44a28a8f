"""Counters and histograms over the shared numbers of `_cells`, by the values of their labels."""

from __future__ import annotations

from bisect import bisect_left

from ._cells import Series, Slot

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of a histogram's buckets; one more takes what is longer, and a last number their sum."""
MOST_SERIES = 500
"""Label sets of one metric; a client that makes names up must not fill the memory."""
_LONGEST_LABEL = 128

Key = str | tuple[str | int, ...]
"""Values of a metric's labels, in their order; a text alone where there is one label."""


class Counter:
    """One metric by the values of its labels. Beyond `MOST_SERIES` of them the rest is counted as `other`."""

    __slots__ = ("_at", "_known", "_labels", "_name", "_slot", "_values", "_width")

    def __init__(self, slot: Slot, name: str, labels: tuple[str, ...] = (), width: int = 1) -> None:
        self._slot, self._name, self._labels, self._width = slot, name, labels, width
        self._values = slot.values
        self._at: dict[Key, int] = {}
        self._known = {tuple(text for _, text in s.labels): at for s, at in slot.series() if s.name == name}

    def add(self, key: Key, n: float = 1) -> None:
        """Count `n` more."""
        at = self._at.get(key)
        self._values[self.cell(key) if at is None else at] += n

    def __getitem__(self, key: Key) -> float:
        return self._values[self.cell(key)]

    def __setitem__(self, key: Key, value: float) -> None:
        self._values[self.cell(key)] = value

    def cell(self, key: Key) -> int:
        """Where the numbers of these labels begin."""
        at = self._at.get(key)
        if at is None:
            at = self._find(tuple(str(text)[:_LONGEST_LABEL] for text in ((key,) if isinstance(key, str) else key)))
            if len(self._at) < 2 * MOST_SERIES:
                self._at[key] = at
        return at

    def _find(self, texts: tuple[str, ...]) -> int:
        if texts not in self._known and len(self._known) >= MOST_SERIES:
            texts = ("other",) * len(texts)
        at = self._known.get(texts)
        if at is None:
            labels = tuple(zip(self._labels, texts, strict=True))
            at = self._known[texts] = self._slot.take(Series(self._name, labels, self._width))
        return at


class Histogram:
    """Durations in seconds, by the value of one label."""

    __slots__ = ("_counter", "_values")

    def __init__(self, slot: Slot, name: str, label: str) -> None:
        self._counter = Counter(slot, name, (label,), len(BUCKETS_S) + 2)
        self._values = slot.values

    def observe(self, key: str, seconds: float) -> None:
        """Count one duration."""
        at = self._counter.cell(key)
        self._values[at + bisect_left(BUCKETS_S, seconds)] += 1
        self._values[at + len(BUCKETS_S) + 1] += seconds
