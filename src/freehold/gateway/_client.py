"""HTTP/1.1 towards providers: pooled connections on httptools, one callback per read, deadlines by phase.

Knows bytes and time; knows nothing of models. It never decides whether to try again: that is the caller's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Protocol, cast

import httptools

from freehold.errors import DeadlineExceeded, FreeholdError, UpstreamFailed, UpstreamTimeout
from freehold.vocabulary import Usage

from ._exchange import Headers
from ._server import MAX_HEAD_BYTES
from ._turn import Turn
from .resilience.deadlines import Deadlines

_TICK_S, _REST_S = 0.05, 1.0
_IDLE_S = 30.0
_MAX_IDLE = 256


class ConnectFailed(UpstreamFailed):
    """The provider could not be reached: no byte of an answer came, and trying again is safe."""

    code = "upstream_unreachable"


class Sink(Protocol):
    """Who receives an answer. After `on_failed`, or `on_data` with `done`, nothing more is called."""

    def on_head(self, status: int, headers: Headers) -> None:
        """Status and headers have come."""
        ...

    def on_data(self, data: bytes, *, done: bool) -> None:
        """Everything of the body that one read brought; `done` with the last of it."""
        ...

    def on_usage(self, usage: Usage) -> None:
        """Token counts that the provider stated, where the bytes of the answer do not hold them."""
        ...

    def on_failed(self, error: FreeholdError) -> None:
        """The answer did not come, or broke off."""
        ...


class Handle(Protocol):
    """A request under way."""

    def cancel(self) -> None:
        """Give it up at once; the sink hears nothing more."""
        ...

    def pause(self) -> None:
        """Read no further, because the client does not."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...


class Attempt:
    """One request sent to one origin, until its answer ends, fails, runs out of time or is cancelled."""

    __slots__ = ("_connection", "_origin", "_patience", "_task", "_total", "deadline", "live", "paused", "payload",
                 "reused", "sink", "started_answer")  # fmt: skip

    def __init__(self, origin: Origin, payload: bytes, sink: Sink, patience: Deadlines) -> None:
        now = origin.loop.time()
        self._origin = origin
        self._patience = patience
        self.payload = payload
        self.sink = sink
        self._connection: UpstreamConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._total = now + patience.total_s
        self.deadline = min(now + patience.connect_s, self._total)
        self.live = True
        self.reused = False
        self.paused = False
        self.started_answer = False

    def cancel(self) -> None:
        """Give it up at once; the sink hears nothing more."""
        self._end()

    def pause(self) -> None:
        """Read no further, because the client does not."""
        self.paused = True
        self.deadline = self._total
        if self._connection is not None and not self._connection.transport.is_closing():
            self._connection.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self.paused = False
        self.touch()
        if self._connection is not None and not self._connection.transport.is_closing():
            self._connection.transport.resume_reading()

    def connect(self) -> None:
        """Open a connection for it."""
        self._task = asyncio.get_running_loop().create_task(self._connect())

    def begin(self, connection: UpstreamConnection, *, reused: bool) -> None:
        """Send it over a connection."""
        self._connection = connection
        self.reused = reused
        self.deadline = min(self._origin.loop.time() + self._patience.first_byte_s, self._total)
        connection.begin(self)

    def touch(self) -> None:
        """Bytes of a body have come: the next may take as long again. Headers alone buy no time."""
        if not self.paused:
            self.deadline = min(self._origin.loop.time() + self._patience.idle_s, self._total)

    def done(self) -> None:
        """The answer ended; the connection is free."""
        self.live = False
        self._connection = None
        self._origin.attempts.discard(self)

    def fail(self, error: FreeholdError) -> None:
        """Tell the sink that nothing more will come."""
        if self.live:
            self._end()
            self.sink.on_failed(error)

    def broke(self, reason: str) -> None:
        """The connection ended. A kept-alive one that ends before the first byte had been closed before: send anew."""
        if not self.live:
            return
        self._connection = None
        if self.reused and not self.started_answer:
            self.reused = False
            self.deadline = min(self._origin.loop.time() + self._patience.connect_s, self._total)
            self.connect()
        elif self.started_answer:
            self.fail(UpstreamFailed(f"{self._origin.name} broke off: {reason}"))
        else:
            self.fail(ConnectFailed(f"{self._origin.name} closed the connection before answering"))

    def expire(self) -> None:
        """The deadline of the present phase has passed."""
        if self._connection is None:
            self.fail(ConnectFailed(f"{self._origin.name} could not be reached in time"))
        elif self.deadline < self._total:
            self.fail(UpstreamTimeout(f"{self._origin.name} did not answer in time"))
        else:
            self.fail(DeadlineExceeded(f"the time of the call was over before {self._origin.name} had answered"))

    def _end(self) -> None:
        self.live = False
        self._origin.attempts.discard(self)
        if self._task is not None:
            self._task.cancel()
        if self._connection is not None:
            self._connection.attempt = None
            self._connection.transport.abort()
            self._connection = None

    async def _connect(self) -> None:
        try:
            connection = await self._origin.connect()
        except (OSError, ssl.SSLError) as error:
            self._task = None
            self.fail(ConnectFailed(f"{self._origin.name} could not be reached ({type(error).__name__})"))
            return
        self._task = None
        if self.live:
            self.begin(connection, reused=False)
        else:
            connection.transport.abort()


class UpstreamConnection(asyncio.Protocol):
    """One connection to a provider, used by one attempt at a time."""

    __slots__ = ("_complete", "_delimited", "_head_bytes", "_headers", "_n_parts", "_origin", "_parser", "_parts",
                 "_reusable", "_sent", "_status", "_surplus", "attempt", "idle_since", "on_body", "open",
                 "transport")  # fmt: skip

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._parts: list[bytes] = []
        self.on_body = self._parts.append  # the parser's own, without a call of ours for every event of a stream
        self._parser = httptools.HttpResponseParser(self)
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.attempt: Attempt | None = None
        self.open = False
        self.idle_since = 0.0
        self._headers: Headers = []
        self._status = self._head_bytes = self._n_parts = 0
        self._complete = False
        self._delimited = False
        self._reusable = self._sent = self._surplus = False

    def begin(self, attempt: Attempt) -> None:
        """Send a request at the end of this turn of the loop; its answer goes to the attempt's sink."""
        self.attempt = attempt
        self._status = self._head_bytes = 0
        self._complete = self._sent = False
        self._origin.turn.add(self)

    def flush(self) -> None:
        """Send it, if it has not been given up meanwhile."""
        if self.attempt is not None:
            self._sent = True
            self.transport.write(self.attempt.payload)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.open = True

    def data_received(self, data: bytes) -> None:
        attempt = self.attempt
        if attempt is None or not self._sent:
            self._distrust()
            return
        attempt.started_answer = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):  # nobody asked for another protocol
            if self._complete:
                self._reusable = False
                self._deliver(attempt)
                return
            self.transport.abort()
            attempt.fail(UpstreamFailed(f"{self._origin.name} sent what is not HTTP/1.1"))
            return
        if not self._status:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                attempt.fail(UpstreamFailed(f"{self._origin.name} sent headers without end"))
            return
        self._deliver(attempt)

    def _distrust(self) -> None:
        """Bytes that nobody asked for, such as a 408 for a connection that was idle: none of the next answers is sure.

        A request that was to leave in this very turn of the loop goes over another connection.
        """
        attempt, self.attempt = self.attempt, None
        self.transport.abort()
        if attempt is not None:
            attempt.broke("an answer came before the request was sent")

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._parser = cast("httptools.HttpResponseParser", None)  # it knows this connection: freed at once
        attempt, self.attempt = self.attempt, None
        if attempt is None or not attempt.live:
            return
        if self._status and not self._delimited and exc is None:
            attempt.done()
            attempt.sink.on_data(b"", done=True)
        else:
            attempt.broke(type(exc).__name__ if exc else "connection closed")

    def on_message_begin(self) -> None:
        if self._complete:
            self._surplus = True  # bytes behind the answer are nobody's, and taint the next request's
            return
        self._headers = []
        self._parts.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._status:  # what comes behind the body (a trailer) is no header: the sink has those already
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200 or self._status or self.attempt is None:
            return
        self._status = status
        named = dict(self._headers)
        self._delimited = b"content-length" in named or b"transfer-encoding" in named or status in {204, 304}
        self.attempt.sink.on_head(status, self._headers)

    def on_message_complete(self) -> None:
        if self._complete:
            return
        self._complete = self._status != 0
        self._n_parts = len(self._parts)
        self._reusable = self._parser.should_keep_alive()  # the parser forgets it with the next message

    def _deliver(self, attempt: Attempt) -> None:
        parts = self._parts
        if self._surplus:
            del parts[self._n_parts :]
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        if not self._complete:
            if data and attempt.live:
                attempt.touch()
                attempt.sink.on_data(data, done=False)
            return
        self.attempt = None
        if self._status >= 400 and self.transport.get_write_buffer_size():
            self.transport.abort()  # refused before all of it was sent: the next request would wait behind the rest
        elif self._reusable and not self._surplus:
            self._origin.release(self)
        else:
            self.transport.close()
        if attempt.live:
            attempt.done()
            attempt.sink.on_data(data, done=True)


class Origin:
    """A provider's host: its pool of kept-alive connections and the requests under way to it.

    Args:
        name: the provider's name, for messages.
        host: the host to connect to.
        port: its port.
        tls: whether to speak TLS, with the system's certificates.
        patience: seconds by phase, for requests that bring none of their own.
    """

    def __init__(self, name: str, host: str, port: int, *, tls: bool, patience: Deadlines) -> None:
        self.name = name
        self.patience = patience
        self.loop = asyncio.get_running_loop()
        self.turn = Turn(self.loop)
        self.attempts: set[Attempt] = set()
        self._host, self._port = host, port
        self._ssl = ssl.create_default_context() if tls else None
        self._idle: deque[UpstreamConnection] = deque()
        self._ticker: asyncio.TimerHandle | None = None
        self._resting = False  # nothing is under way, and the ticker only looks after idle connections

    def send(self, payload: bytes, sink: Sink, patience: Deadlines | None = None) -> Attempt:
        """Send a serialised request. Answers and failures go to the sink, never before this returns."""
        attempt = Attempt(self, payload, sink, patience or self.patience)
        self.attempts.add(attempt)
        if self._ticker is None or self._resting:
            self.turn.afterwards(self._watch)
        while self._idle:
            connection = self._idle.pop()
            if connection.open and not connection.transport.is_closing():
                attempt.begin(connection, reused=True)
                return attempt
        attempt.connect()
        return attempt

    async def connect(self) -> UpstreamConnection:
        """Open one more connection.

        Raises:
            OSError: it could not be opened.
        """
        name = self._host if self._ssl is not None else None
        _, connection = await self.loop.create_connection(
            lambda: UpstreamConnection(self), self._host, self._port, ssl=self._ssl, server_hostname=name
        )
        return connection

    def release(self, connection: UpstreamConnection) -> None:
        """Keep a connection whose answer ended for the next request."""
        if len(self._idle) >= _MAX_IDLE:
            connection.transport.close()
            return
        connection.idle_since = self.loop.time()
        self._idle.append(connection)

    def close(self) -> None:
        """Close everything, requests under way included."""
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
        for attempt in tuple(self.attempts):
            attempt.cancel()
        for connection in self._idle:
            connection.transport.abort()
        self._idle.clear()

    def _tick(self) -> None:
        now = self.loop.time()
        for attempt in tuple(self.attempts):
            if now > attempt.deadline:
                attempt.expire()
        while self._idle and now - self._idle[0].idle_since > _IDLE_S:
            self._idle.popleft().transport.close()
        self._ticker = None
        if self.attempts:
            self._tick_in(_TICK_S)
        elif self._idle:
            self._tick_in(_REST_S)

    def _watch(self) -> None:
        """Look after what is under way and what is idle, which can wait until the requests of this turn are sent."""
        if (self.attempts or self._idle) and (self._ticker is None or self._resting):
            self._tick_in(_TICK_S)

    def _tick_in(self, seconds: float) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        self._resting = seconds == _REST_S
        self._ticker = self.loop.call_later(seconds, self._tick)
