"""How long a target's answers took lately: a ring of the last ones, sorted only when somebody asks."""

from __future__ import annotations

_KEPT = 128
_NEEDED = 20
_STALE = 16


class Latencies:
    """The last 128 latencies, and their quantiles.

    A ring rather than a streaming sketch: one store on the path of a call, the exact quantile of what is kept, and
    nothing older than 128 answers in it.
    """

    __slots__ = ("_count", "_ring", "_sorted", "_sorted_at")

    def __init__(self) -> None:
        self._ring: list[float] = []
        self._sorted: list[float] = []
        self._count = self._sorted_at = 0

    def add(self, seconds: float) -> None:
        """One more."""
        if self._count < _KEPT:
            self._ring.append(seconds)
        else:
            self._ring[self._count % _KEPT] = seconds
        self._count += 1

    def quantile(self, share: float) -> float | None:
        """The value that `share` of the kept ones do not exceed; None below 20 answers.

        It may be up to 16 answers old.
        """
        if self._count < _NEEDED:
            return None
        if not self._sorted or self._count - self._sorted_at >= _STALE:
            self._sorted = sorted(self._ring)
            self._sorted_at = self._count
        last = len(self._sorted) - 1
        return self._sorted[min(last, int(share * len(self._sorted)))]
