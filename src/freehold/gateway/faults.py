"""What a rehearsed provider does wrong, and when: the fault schedules of drills and tests.

A schedule is asked once for every request. It knows clocks and no sockets; `recorded.serve_recording` carries out what
it says.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Final, Literal, Protocol, get_args

from freehold.errors import UsageError

Fault = Literal["429", "500", "503", "stall", "drop", "cut"]
"""`429`, `500`, `503`: answers with that status. `stall`: the request is taken and never answered. `drop`: the head of
an answer, then the connection closes. `cut`: half of the answer, streamed or not, then the connection closes.
"""
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)

MIXED: Final[tuple[Fault, ...]] = ("503", "503", "503", "500", "500", "429", "stall", "drop", "cut")
"""A mixture as outages are reported: mostly refusals, some that are slow to be seen."""


_NAMED: Final[dict[str, Fault]] = {fault: fault for fault in FAULTS}


def named(names: Sequence[str]) -> tuple[Fault, ...]:
    """The faults of these names, the usual mixture where there are none.

    Raises:
        UsageError: a name is no fault's.
    """
    for name in names:
        if name not in _NAMED:
            raise UsageError(f"{name!r} is no fault", hint=f"there are {', '.join(FAULTS)}")
    return tuple(_NAMED[name] for name in names) or MIXED


class Schedule(Protocol):
    """Says what goes wrong now."""

    def now(self) -> Fault | None:
        """What is to be done to a request that has just come; None: nothing."""
        ...


class Outages:
    """Outages as windows of time.

    Args:
        windows: from and until when requests fail, in seconds since `begin` was called; until then nothing fails.
        kinds: the faults drawn from, with the same seed always in the same order.
        clock: seconds that only grow.
        seed: of the draws.
    """

    def __init__(
        self,
        windows: Sequence[tuple[float, float]],
        kinds: Sequence[Fault] = MIXED,
        *,
        clock: Callable[[], float] = time.monotonic,
        seed: int = 0,
    ) -> None:
        self._windows = sorted(windows)
        self._kinds = tuple(kinds)
        self._clock = clock
        self._random = random.Random(seed)
        self._began: float | None = None
        self.failed = 0

    def begin(self) -> None:
        """From now on the windows count."""
        self._began = self._clock()

    def down(self) -> bool:
        """Whether this moment lies in an outage."""
        if self._began is None:
            return False
        at = self._clock() - self._began
        return any(begins <= at < ends for begins, ends in self._windows)

    def now(self) -> Fault | None:
        """What is to be done to a request that has just come."""
        if not self.down():
            return None
        self.failed += 1
        return self._random.choice(self._kinds)


class Switch:
    """One fault, or none, until it is set otherwise: for tests. Safe to set from another thread."""

    def __init__(self, fault: Fault | None = None) -> None:
        self.fault: Fault | None = fault

    def now(self) -> Fault | None:
        """What it is set to."""
        return self.fault
