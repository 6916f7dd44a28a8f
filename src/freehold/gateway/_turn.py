"""Sending at the end of a turn of the loop, and what can wait until it has been sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol


class Waiting(Protocol):
    """Something that has bytes to send."""

    def flush(self) -> None:
        """Send them."""
        ...


class Turn:
    """Who has something to send in this turn of the loop, all sent for at its end.

    Each write wakes a client up, which costs more than the write does; those that wait together are woken up once.
    What nobody waits for (the record of a call, say) is done after that, and before anything else is heard.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[Waiting] = []
        self._afterwards: list[Callable[[], None]] = []
        self._due = False

    def add(self, one: Waiting) -> None:
        """Have it flushed."""
        self._waiting.append(one)
        if not self._due:
            self._due = True
            self._loop.call_soon(self._end)

    def afterwards(self, what: Callable[[], None]) -> None:
        """Have something done when all has been sent. It may not raise."""
        self._afterwards.append(what)
        if not self._due:
            self._due = True
            self._loop.call_soon(self._end)

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, []
        afterwards, self._afterwards = self._afterwards, []
        self._due = False
        for one in waiting:
            one.flush()
        for what in afterwards:
            what()
