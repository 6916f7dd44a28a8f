"""The events of a provider's stream, in the order that every writer may rely on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from freehold.errors import UpstreamFailed

from ._hub import Closed, Event, Failed, Finished, Grew, Opened, Signed, Started

_MOST_HELD_BYTES = 64 * 1024 * 1024
"""What may be held of parts that have to wait: as much as the longest event that is read."""
_EVENT_BYTES = 100
"""What an event takes besides its text."""


class Order:
    """Gives a start, parts one after the other, then the end, or an error at any time.

    Parts may be open at the same time: the one that began first goes on as it comes, the others are held until it is
    closed, and follow in the order in which they began. What is held when the stream is cut or fails is never given.

    `over`: the end or an error has been given, and nothing comes after it.
    """

    def __init__(self) -> None:
        self.over = False
        self._started = False
        self._open: int | None = None
        self._held: dict[int, list[Event]] = {}
        self._held_bytes = 0

    def take(self, event: Event) -> Sequence[Event]:
        """What can be given now that this event has come.

        Raises:
            UpstreamFailed: it fits nothing that came before, or too much would be held.
        """
        match event:
            case Grew(index) | Signed(index) | Closed(index):
                return self._go_on(index, event)
            case Opened(index):
                return self._begin(index, event)
            case Started() if not self._started:
                self._started = True
            case Finished() if self._started and self._open is None:
                self.over = True
            case Failed():
                self.over = True
            case _:
                raise _odd()
        return (event,)

    def _begin(self, index: int, event: Event) -> Sequence[Event]:
        if not self._started or index == self._open or index in self._held:
            raise _odd()
        if self._open is not None:
            return self._hold(index, event)
        self._open = index
        return (event,)

    def _go_on(self, index: int, event: Event) -> Sequence[Event]:
        if index == self._open:
            return self._close(event) if isinstance(event, Closed) else (event,)
        if index not in self._held or isinstance(self._held[index][-1], Closed):
            raise _odd()
        return self._hold(index, event)

    def _hold(self, index: int, event: Event) -> Sequence[Event]:
        self._held_bytes += _bytes_of(event)
        if self._held_bytes > _MOST_HELD_BYTES:
            raise UpstreamFailed("the parts of the provider's stream wait for each other for too long")
        self._held.setdefault(index, []).append(event)
        return ()

    def _close(self, event: Event) -> Sequence[Event]:
        """The end of the open part, and what had to wait for it: up to the next part that is still open."""
        given = [event]
        self._open = None
        while self._held and self._open is None:
            index = next(iter(self._held))
            held = self._held.pop(index)
            self._held_bytes -= sum(map(_bytes_of, held))
            given += _joined(index, held)
            if not isinstance(held[-1], Closed):
                self._open = index
        return given


def _odd() -> UpstreamFailed:
    return UpstreamFailed("the events of the provider's stream are in no order that can be read")


def _bytes_of(event: Event) -> int:
    return _EVENT_BYTES + (len(event.text) if isinstance(event, Grew) else 0)


def _joined(index: int, held: list[Event]) -> Iterator[Event]:
    """The events of one part, text that follows text as one."""
    for kind, events in groupby(held, type):
        if kind is Grew:
            yield Grew(index, "".join(event.text for event in events if isinstance(event, Grew)))
        else:
            yield from events
