"""One request of a client and its answer, over HTTP/1.1. Knows neither models nor sockets."""

from __future__ import annotations

import http
from collections.abc import Callable
from typing import Protocol

from freehold.errors import FreeholdError
from freehold.wire.openai import error_envelope

_STATUS_LINES = {s.value: b"HTTP/1.1 %d %s\r\n" % (s.value, s.phrase.encode()) for s in http.HTTPStatus}
_JSON = b"content-type: application/json\r\n"

Headers = list[tuple[bytes, bytes]]
"""Header names in lower case, in the order they came."""


def by_name(headers: Headers) -> dict[bytes, bytes]:
    """The value of each header, the first one that is not empty where there are several."""
    return {name: value for name, value in reversed(headers) if value}


class Connection(Protocol):
    """What a request came on. `keep_alive`: another may follow. `http_1_0`: the client knows no chunks."""

    keep_alive: bool
    http_1_0: bool

    def write(self, data: bytes) -> None:
        """Send bytes, soon."""
        ...

    def answered(self) -> None:
        """The answer is finished."""
        ...

    def afterwards(self, what: Callable[[], None]) -> None:
        """Do something once all that was written in this turn of the loop has been sent."""
        ...


def _nothing() -> None:
    return None


class Exchange:
    """One request and its answer.

    The handler calls either `respond` once, or `start`, `write` any number of times, and `end` or `abort`. `on_gone` is
    called once when the client leaves before the answer was finished; `on_pause` and `on_resume` when it reads slower
    than it is written to. Everything written after the client left is dropped. `named` are the values of the headers by
    name (`by_name`).
    """

    __slots__ = ("_connection", "body", "envelope", "finished", "gone", "headers", "method", "named", "on_gone",
                 "on_pause", "on_resume", "path", "query", "streaming")  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        method: bytes,
        url: bytes,
        headers: Headers,
        named: dict[bytes, bytes],
        body: bytes,
    ) -> None:
        self._connection = connection
        self.method = method
        self.path, _, self.query = url.partition(b"?")
        self.envelope: Callable[[FreeholdError], bytes] = error_envelope
        self.headers = headers
        self.named = named
        self.body = body
        self.finished = False
        self.gone = False
        self.streaming = False
        self.on_gone: Callable[[], None] = _nothing
        self.on_pause: Callable[[], None] = _nothing
        self.on_resume: Callable[[], None] = _nothing

    def header(self, name: bytes) -> bytes:
        """Value of the first header of that (lower-case) name that has one, or b""."""
        return self.named.get(name, b"")

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        """Send a whole answer. `headers` are complete lines; length and connection are added here."""
        if self.gone or self.finished:
            return
        connection = self._connection
        line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
        if connection.keep_alive:
            head = b"%bcontent-length: %d\r\n\r\n" % (headers, len(body))
        else:
            head = b"%bcontent-length: %d\r\nconnection: close\r\n\r\n" % (headers, len(body))
        connection.write(b"".join((line, head, b"" if self.method == b"HEAD" else body)))
        self._finish()

    def fail(self, error: FreeholdError, headers: bytes = b"") -> None:
        """Send an error in the envelope of the dialect that was asked in."""
        self.respond(error.status, _JSON + headers + error.lines, self.envelope(error))

    def start(self, status: int, headers: bytes, data: bytes) -> None:
        """Begin a streamed answer with its first bytes, in one write."""
        if self.gone or self.finished:
            return
        self.streaming = True
        connection = self._connection
        line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
        if connection.http_1_0:
            connection.keep_alive = False
            connection.write(b"%b%bconnection: close\r\n\r\n%b" % (line, headers, data))
            return
        close = b"" if connection.keep_alive else b"connection: close\r\n"
        head = b"%b%b%btransfer-encoding: chunked\r\n\r\n" % (line, headers, close)
        connection.write(b"%b%x\r\n%b\r\n" % (head, len(data), data) if data else head)

    def stream_whole(self, status: int, headers: bytes, data: bytes) -> None:
        """Send a streamed answer that is there at once, in one write."""
        if self.gone or self.finished:
            return
        if self._connection.http_1_0 or not self._connection.keep_alive:
            self.start(status, headers, b"")
            self.end(data)
            return
        self.streaming = True
        head = b"%b%btransfer-encoding: chunked\r\n\r\n%x\r\n" % (_STATUS_LINES[status], headers, len(data))
        self._connection.write(b"".join((head, data, b"\r\n0\r\n\r\n")))
        self._finish()

    def write(self, data: bytes) -> None:
        """Send more of a streamed answer."""
        if self.gone or not data:
            return
        self._connection.write(data if self._connection.http_1_0 else b"%x\r\n%b\r\n" % (len(data), data))

    def end(self, data: bytes = b"") -> None:
        """Send the last bytes of a streamed answer and its end, in one write."""
        if self.gone or self.finished:
            return
        if self._connection.http_1_0:
            self._connection.write(data)
        elif data:
            self._connection.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data))
        else:
            self._connection.write(b"0\r\n\r\n")
        self._finish()

    def abort(self, data: bytes) -> None:
        """Send last bytes of a streamed answer and close without its end, so that no client takes it for complete."""
        if self.gone or self.finished:
            return
        self.write(data)
        self._connection.keep_alive = False
        self._finish()

    def afterwards(self, what: Callable[[], None]) -> None:
        """Do something that no client waits for, once what was written has been sent. It may not raise."""
        self._connection.afterwards(what)

    def lost(self) -> None:
        """The client left. Called by the connection."""
        self.gone = True
        if not self.finished:
            self.finished = True
            self.on_gone()
            self._let_go()

    def _finish(self) -> None:
        self.finished = True
        self._let_go()
        self._connection.answered()

    def _let_go(self) -> None:
        """Forget who answered, so that both are freed at once and not when the collector comes by."""
        self.on_gone = self.on_pause = self.on_resume = _nothing
