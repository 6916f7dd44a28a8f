"""Calls that wait because everything they may ask is busy: few, in order of priority, and shed from the bottom."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from freehold.errors import FreeholdError

from .policy import PRIORITIES, TargetName


class Waiter(Protocol):
    """Who waits. Exactly one of the two is called, once, unless the ticket is given up before."""

    def admitted(self) -> None:
        """There is room: ask again, at once."""
        ...

    def shed(self, error: FreeholdError) -> None:
        """There was none."""
        ...


class Ticket:
    """A place among the waiting.

    `chain`: the targets that would do, first choice first. The rest is the waiting room's.
    """

    __slots__ = ("chain", "live", "number", "priority", "waiter")

    def __init__(self, chain: tuple[TargetName, ...], priority: int, waiter: Waiter) -> None:
        self.chain, self.priority, self.waiter = chain, priority, waiter
        self.number = 0
        self.live = True


class WaitingRoom:
    """Tickets by priority and chain.

    Args:
        places: how many may wait at once; 0: nobody.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._queues: list[dict[tuple[TargetName, ...], deque[Ticket]]] = [{} for _ in range(PRIORITIES)]
        self.entered = 0
        self.count = 0

    def enter(self, ticket: Ticket) -> Ticket | None:
        """Take a place. Returns who has to go for it: the newest of the least important, or `ticket` itself."""
        gone: Ticket | None = None
        if self.count >= self._places:
            gone = self._newest_below(ticket.priority)
            if gone is None:
                return ticket
            self.leave(gone)
        self.entered += 1
        ticket.number = self.entered
        self._queues[ticket.priority].setdefault(ticket.chain, deque()).append(ticket)
        self.count += 1
        return gone

    def leave(self, ticket: Ticket) -> None:
        """Give a place up, or leave with a permit; nothing where it was left already."""
        if not ticket.live:
            return
        ticket.live = False
        self.count -= 1
        queue = self._queues[ticket.priority][ticket.chain]
        while queue and not queue[0].live:
            queue.popleft()
        while queue and not queue[-1].live:
            queue.pop()
        if len(queue) > 2 * self.count + 8:  # those who left from the middle
            queue = self._queues[ticket.priority][ticket.chain] = deque(one for one in queue if one.live)
        if not queue:
            del self._queues[ticket.priority][ticket.chain]

    def first(self, fits: Callable[[Ticket], bool]) -> Ticket | None:
        """Of the most important ones that fit, the one who has waited longest. It keeps its place."""
        for queues in self._queues:
            heads = sorted((queue[0] for queue in queues.values()), key=lambda ticket: ticket.number)
            for ticket in heads:
                if fits(ticket):
                    return ticket
        return None

    def _newest_below(self, priority: int) -> Ticket | None:
        for queues in reversed(self._queues[priority + 1 :]):
            if queues:
                return max((queue[-1] for queue in queues.values()), key=lambda ticket: ticket.number)
        return None
