"""Server-sent events: an incremental parser that gives the same events however the bytes were split.

Follows the "event stream interpretation" of the WHATWG HTML standard (lines end in LF, CR or CRLF, one leading BOM,
comments, several `data` lines joined by LF). What it leaves out: `id` and `retry`, which no model API uses. It works on
bytes and decodes nothing, so that a character cut in two is no concern of it.
"""

from __future__ import annotations

from typing import NamedTuple

_BOM = b"\xef\xbb\xbf"
_PLAIN = b"data: "


class Event(NamedTuple):
    """One dispatched event. `name` is "" where the stream named none."""

    data: bytes
    name: bytes = b""


class SseParser:
    """Turns a stream of bytes into events.

    Args:
        max_event_bytes: an unfinished event longer than this raises, so that memory stays bounded.
    """

    __slots__ = ("_after_cr", "_data", "_event_bytes", "_max", "_name", "_started", "_tail", "_tail_bytes")

    def __init__(self, max_event_bytes: int = 64 * 1024 * 1024) -> None:
        self._tail: list[bytes] = []
        self._tail_bytes = 0
        self._data: list[bytes] = []
        self._name = b""
        self._after_cr = False
        self._started = False
        self._event_bytes = 0
        self._max = max_event_bytes

    @property
    def unfinished(self) -> bool:
        """Whether bytes have arrived that no blank line has turned into an event yet."""
        return bool(self._tail or self._data)

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes and return the events that they complete.

        Raises:
            ValueError: an event is longer than `max_event_bytes`.
        """
        if self._tail:
            if self._started and b"\n" not in chunk and b"\r" not in chunk:
                self._keep(chunk)  # joined once, when its line ends: joined at every read, a long line costs its square
                return []
            buffer = b"".join((*self._tail, chunk))
            self._tail, self._tail_bytes = [], 0
        else:
            buffer = chunk
        if not self._started:
            if len(buffer) < len(_BOM) and _BOM.startswith(buffer):
                self._keep(buffer)
                return []
            self._started = True
            buffer = buffer.removeprefix(_BOM)
        if self._after_cr and buffer:
            buffer = buffer.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in buffer:
            self._after_cr = buffer.endswith(b"\r")
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        events: list[Event] = []
        if not self._data and not self._name:
            # Nearly every event of a model is one line; taking it whole costs a third of going line by line.
            blocks = buffer.split(b"\n\n")
            buffer = blocks.pop()
            for block in blocks:
                if block.startswith(_PLAIN) and b"\n" not in block:
                    events.append(Event(block[6:]))
                else:
                    events += self._take([*block.split(b"\n"), b""])
        lines = buffer.split(b"\n")
        rest = lines.pop()
        if lines:
            events += self._take(lines)
        self._keep(rest)
        return events

    def _keep(self, rest: bytes) -> None:
        """Keep the beginning of a line that has not ended."""
        if rest:
            self._tail.append(rest)
            self._tail_bytes += len(rest)
        if self._tail_bytes + self._event_bytes > self._max:
            raise ValueError("an event of the stream is too long")

    def _take(self, lines: list[bytes]) -> list[Event]:
        events: list[Event] = []
        for line in lines:
            if line.startswith(_PLAIN):
                self._data.append(line[6:])
                self._event_bytes += len(line)
            elif not line:
                if self._data:
                    events.append(Event(self._data[0] if len(self._data) == 1 else b"\n".join(self._data), self._name))
                    self._data = []
                    self._event_bytes = 0
                self._name = b""
            else:
                self._field(line)
        return events

    def _field(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._event_bytes += len(line)
        elif field == b"event":
            self._name = value
