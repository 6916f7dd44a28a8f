"""Reading a copy of a streamed answer: bytes are kept, and read together when some have gathered.

The path of each read costs one append. Events of the usual form (one `data: ` line each, with or without a name) are
read as one JSON array, which costs a quarter of as many documents; where that cannot be done, they are read one by one,
so that the array is never a second opinion on what is valid.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any

import msgspec

from .bodies import UNREADABLE
from .sse import Event, SseParser

BLANKS = (b"\n\n", b"\r\n\r\n", b"\r\r")
"""The ends of an event."""

_BATCH_BYTES = 65_536
_ODD_FORM = (ValueError, TypeError, AttributeError, LookupError)
_BETWEEN = re.compile(rb"\n\n(?:event: [^\n]*\n)?data: ")
_DONE = b"[DONE]"
_LAST = b"\n\ndata: [DONE]"
_decoder = msgspec.json.Decoder(dict[str, Any])
_many_decoder = msgspec.json.Decoder(list[dict[str, Any]])


def before_end(data: bytes, end_mark: bytes) -> bytes:
    """The bytes up to the event that holds the mark of a complete stream; all of them where none does."""
    mark = data.rfind(end_mark)
    if mark < 0:
        return data
    return data[: max(data.rfind(blank, 0, mark) + len(blank) if blank in data[:mark] else 0 for blank in BLANKS)]


class EventReader(ABC):
    """Takes bytes, gives events to whoever assembles an answer from them, and remembers what was wrong."""

    __slots__ = ("_fault", "_parser", "_pending", "_pending_bytes")

    def __init__(self) -> None:
        self._parser = SseParser()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._fault = ""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream. Never raises."""
        self._pending.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes >= _BATCH_BYTES:
            joined = b"".join(self._pending)
            whole = joined.rfind(b"\n\n") + 2 if not (self._fault or self._parser.unfinished) else 0
            if whole > 2 and self._take_all(joined[:whole]):
                self._pending, self._pending_bytes = [joined[whole:]], len(joined) - whole
            else:
                self._read()

    @property
    def broken(self) -> bool:
        """Whether what has come so far can no longer become a complete answer (reads all that was kept).

        So it is with a fault, and with an end that comes before all of the answer has.
        """
        self._read()
        return bool(self._fault) or (self._ended and bool(self._missing()))

    @property
    @abstractmethod
    def _ended(self) -> bool:
        """Whether the stream has said that it is complete."""

    @abstractmethod
    def _missing(self) -> str:
        """What a complete stream would have and this one has not, "" where it has all."""

    def _close(self) -> None:
        """Read what is left, when no more bytes will come."""
        self._read()
        if self._parser.unfinished:
            self._pending.append(b"\n\n")  # a server may forget the last blank line; a cut event is no JSON
            self._read()

    def _read(self) -> None:
        data, self._pending, self._pending_bytes = b"".join(self._pending), [], 0
        if self._fault or not data or (not self._parser.unfinished and self._take_all(data)):
            return
        try:
            for event in self._parser.feed(data):
                self._take(event)
                if self._fault:
                    return
        except UNREADABLE:
            self._fault = "an event of the stream is not readable JSON"
        except _ODD_FORM:
            self._fault = "an event of the stream has an unexpected form"

    @abstractmethod
    def _take(self, event: Event) -> None:
        """Read one event. What it raises is remembered as a fault of the stream."""

    @abstractmethod
    def _take_all(self, data: bytes) -> bool:
        """Read many whole events at once; False, and nothing done, where they are not of the usual form."""


class DocumentReader(EventReader):
    """Gives each event as a JSON object, in order, until the stream says that it is complete (`_complete`).

    A `[DONE]` that a dialect does not know is passed over.
    """

    __slots__ = ("_complete", "_done")

    def __init__(self) -> None:
        super().__init__()
        self._complete = False
        self._done = False

    @property
    def _ended(self) -> bool:
        return self._complete

    @abstractmethod
    def _document(self, document: dict[str, Any]) -> None:
        """Read one event's JSON. What it raises is remembered as a fault of the stream."""

    def _take(self, event: Event) -> None:
        if event.data == _DONE:
            self._done = True
        elif not self._complete:
            document = _decoder.decode(event.data)
            if event.name == b"error":
                document.setdefault("type", "error")
            self._document(document)

    def _take_all(self, data: bytes) -> bool:
        body = _plain(data)
        if body is None:
            return False
        done = body.endswith(_LAST)
        if done:
            body = body[: -len(_LAST)]
        joined, separators = _BETWEEN.subn(b",", body)
        if b"\n" in joined:
            return False
        try:
            documents = _many_decoder.decode(b"[%b]" % joined)
        except UNREADABLE:
            return False
        if len(documents) != separators + 1:
            return False
        try:
            for document in documents:
                if self._fault or self._complete:
                    break
                self._document(document)
        except _ODD_FORM:
            self._fault = "an event of the stream has an unexpected form"
        self._done = self._done or done
        return True


def _plain(data: bytes) -> bytes | None:
    """The data of the first event and all that follows, without the last blank line; None where the form is another."""
    if not data.endswith(b"\n\n") or b"\r" in data or b"event: error" in data:
        return None
    if data.startswith(b"data: "):
        return data[6:-2]
    if not data.startswith(b"event: "):
        return None
    start = data.find(b"\ndata: ")
    return data[start + 7 : -2] if start >= 0 and b"\n" not in data[7:start] else None
