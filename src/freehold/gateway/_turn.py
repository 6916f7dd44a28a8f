"""Sending at the end of a turn of the loop."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Waiting(Protocol):
    """Something that has bytes to send."""

    def flush(self) -> None:
        """Send them."""
        ...


class Turn:
    """Who has something to send in this turn of the loop, all sent for at its end.

    Each write wakes a client up, which costs more than the write does; those that wait together are woken up once.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[Waiting] = []

    def add(self, one: Waiting) -> None:
        """Have it flushed."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(one)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.flush()
