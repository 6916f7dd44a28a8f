"""How long a call may take: one deadline for the whole of it, and patience for each phase of an attempt.

What a task sets wins over what a provider sets, and that over the gateway's own settings. The total of a call is the
task's or the gateway's: it begins with the call and is handed down through queues, retries, fallbacks and hedges, none
of which may outlast it. A provider's total bounds each attempt there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec


class Deadlines(msgspec.Struct, frozen=True, gc=False):
    """Seconds that one attempt may take: to connect, to the first byte, between two bytes, in all."""

    connect_s: float
    first_byte_s: float
    idle_s: float
    total_s: float

    def within(self, remaining_s: float) -> Deadlines:
        """The same, ended by what the call has left; never less than nothing."""
        if remaining_s >= self.total_s:
            return self
        left = max(remaining_s, 0.0)
        return Deadlines(min(self.connect_s, left), min(self.first_byte_s, left), min(self.idle_s, left), left)


class Waits(Protocol):
    """A table of settings that may say how long to wait; None: it does not say."""

    @property
    def connect_timeout_s(self) -> float | None:
        """To a connection."""
        ...

    @property
    def first_byte_timeout_s(self) -> float | None:
        """To the first byte of an answer."""
        ...

    @property
    def idle_timeout_s(self) -> float | None:
        """Between two bytes."""
        ...

    @property
    def total_timeout_s(self) -> float | None:
        """In all."""
        ...


def deadlines(gateway: Deadlines, *levels: Waits | None) -> Deadlines:
    """What holds for an attempt: each phase from the first of `levels` that sets it, most specific first."""
    connect_s, first_byte_s, idle_s, total_s = msgspec.structs.astuple(gateway)
    for level in reversed(levels):
        if level is not None:
            connect_s = level.connect_timeout_s or connect_s
            first_byte_s = level.first_byte_timeout_s or first_byte_s
            idle_s = level.idle_timeout_s or idle_s
            total_s = level.total_timeout_s or total_s
    return Deadlines(connect_s, first_byte_s, idle_s, total_s)


class Timetable:
    """Every deadline that the settings give, looked up in one step.

    Args:
        gateway: what holds where nobody says otherwise.
        providers: what providers set, by name.
        tasks: what tasks set, by name or id as the caller of `attempt` gives them.
    """

    def __init__(self, gateway: Deadlines, providers: Mapping[str, Waits], tasks: Mapping[str, Waits]) -> None:
        self._gateway = gateway
        self._totals = {name: deadlines(gateway, task).total_s for name, task in tasks.items()}
        self._of_provider = {name: deadlines(gateway, one) for name, one in providers.items()}
        self._of_task = {name: deadlines(gateway, one) for name, one in tasks.items()}
        self._of_both = {
            (name, provider): deadlines(gateway, task, one)
            for provider, one in providers.items()
            for name, task in tasks.items()
        }

    def call_s(self, task: str) -> float:
        """Seconds that a call of a task may take in all; `task` "" or unknown: as long as the gateway says."""
        return self._totals.get(task, self._gateway.total_s)

    def attempt(self, provider: str, task: str) -> Deadlines:
        """Patience with one attempt at a provider for a task, before what is left of the call ends it."""
        if task in self._totals:
            return self._of_both.get((task, provider)) or self._of_task[task]
        return self._of_provider.get(provider, self._gateway)
