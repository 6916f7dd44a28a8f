"""Counts that need every member of a class: repeats of a request, calls of a run. Classes are drawn, not calls.

A sample of calls would lose most repeats of each request. So whole classes are kept, those whose digest begins with
enough zero bits; when there are too many, one more bit is asked for and half of them are forgotten (Gibbons, Distinct
sampling, 2001). What is left is a random sample of classes, each whole.
"""

from __future__ import annotations

from freehold.analytics.seen import run_of
from freehold.tasks.sampling import digest
from freehold.vocabulary import Call

_MOST = 50_000
_TOP = 64


class Repeats:
    """How many requests repeat an earlier one."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._zeros = 0
        self._counts: dict[int, int] = {}

    def add(self, request: int) -> None:
        """Take a request into account, by its digest of 64 bits."""
        if request >> (_TOP - self._zeros):
            return
        self._counts[request] = self._counts.get(request, 0) + 1
        while len(self._counts) > self._most:
            self._zeros += 1
            self._counts = {one: n for one, n in self._counts.items() if not one >> (_TOP - self._zeros)}

    def counts(self) -> tuple[int, int]:
        """Repeats, and all requests, of the classes that were kept."""
        total = sum(self._counts.values())
        return total - len(self._counts), total


class Runs:
    """How often a call of one task is followed by another call of its run."""

    def __init__(self, within_s: float, most: int = _MOST) -> None:
        self._within_us = round(within_s * 1_000_000)
        self._most = most
        self._zeros = 0
        self._last: dict[int, tuple[int, bool]] = {}
        self._own: dict[int, int] = {}
        self._followed: dict[int, int] = {}

    def add(self, call: Call, *, own: bool) -> None:
        """Take a call into account; calls come in order of time. `own`: it is one of the task."""
        kind, name = run_of(call)
        if not name:
            return
        run = digest(f"{kind}\0{name}")
        if run >> (_TOP - self._zeros):
            return
        ended_us, was_own = self._last.get(run, (0, False))
        if was_own and call.started_at_us - ended_us <= self._within_us:
            self._followed[run] = self._followed.get(run, 0) + 1
        self._last[run] = (call.started_at_us + round(call.latency_ms * 1000), own)
        self._own[run] = self._own.get(run, 0) + own
        while len(self._last) > self._most:
            self._zeros += 1
            for kept in (self._last, self._own, self._followed):
                for one in [one for one in kept if one >> (_TOP - self._zeros)]:
                    del kept[one]

    def followed(self) -> tuple[int, int]:
        """Calls of the task that were followed, and all its calls that are of a run."""
        return sum(self._followed.values()), sum(self._own.values())
