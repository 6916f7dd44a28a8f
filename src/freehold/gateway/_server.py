"""HTTP/1.1 towards clients: raw protocols on httptools.

Knows requests and responses, limits, pipelining and slow readers; knows nothing of models. A handler gets an `Exchange`
per request and answers it whole or as a stream, now or later; answers leave in the order the requests came.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import httptools

from freehold.errors import BadRequest, FreeholdError
from freehold.wire.known import asking

from ._exchange import Exchange, Headers, by_name
from ._turn import Turn

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers together; more is refused with 431."""

_HEAD_TOO_LARGE = f"the request's headers are longer than {MAX_HEAD_BYTES} bytes"
_PIPELINE = 16
_NOTSENT_LOWAT: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_LINGER_S = 2.0
_WRITE_HIGH = 64 * 1024
_LARGE, _MANY = 16 * 1024, 16  # bytes of one write, and writes, that do not wait for the end of a turn
_UNSENT_BYTES = 64 * 1024
"""What the system may hold for a client that reads slowly (Linux); left to itself it takes some megabytes, and the
gateway, which keeps a copy of every stream for the ledger, as much again.
"""
_SLOWEST_BODY = 64 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Timeouts(NamedTuple):
    """How long a client may take, in seconds: to send a request's head, between reads of its body, between requests.

    A body must also come at an average of 64 KiB in each `read_s`, or a byte now and then would hold a connection for
    ever.
    """

    head_s: float = 30.0
    read_s: float = 60.0
    keep_alive_s: float = 120.0


class HeadTooLarge(BadRequest):
    """Request line and headers are longer than the gateway keeps."""

    code = "head_too_large"
    status = 431


class BodyTooLarge(BadRequest):
    """The request's body is longer than `gateway.max_body_bytes`."""

    code = "body_too_large"
    status = 413


def body_too_large(most: int) -> BodyTooLarge:
    """The refusal of a body of more than `most` bytes."""
    return BodyTooLarge(f"the request's body is longer than {most} bytes", hint="gateway.max_body_bytes is the limit")


class RequestTimeout(BadRequest):
    """The client began a request and did not finish it in time."""

    code = "request_timeout"
    status = 408


Handler = Callable[[Exchange], None]


class ServerConnection(asyncio.Protocol):
    """One client connection. At most 16 pipelined requests wait; a body grows to `max_body_bytes` and no further."""

    __slots__ = ("_began", "_body", "_body_bytes", "_connections", "_current", "_field_bytes", "_handler",
                 "_head_bytes", "_headers", "_in_body", "_in_head", "_loop", "_max_body", "_named", "_parser", "_queue",
                 "_refused", "_rest", "_since", "_transport", "_turn", "_unread", "_unsent", "_url", "_writing_paused",
                 "closing", "http_1_0", "keep_alive")  # fmt: skip

    def __init__(self, handler: Handler, connections: set[ServerConnection], turn: Turn, max_body_bytes: int) -> None:
        self._turn = turn
        self._unsent: list[bytes] = []
        self._handler = handler
        self._connections = connections
        self._max_body = max_body_bytes
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[tuple[Exchange, bool, bool]] = deque()
        self._current: Exchange | None = None
        self._in_head = self._in_body = self._writing_paused = False
        self._head_bytes = self._body_bytes = self._field_bytes = self._unread = 0
        self._url = b""
        self._headers: Headers = []
        self._named: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._since = self._began = 0.0
        self.keep_alive = True
        self.http_1_0 = False
        self.closing = False
        self._refused = False
        self._rest: bytes | None = None

    @property
    def busy(self) -> bool:
        """Whether an answer is being made, or is still on its way to the client."""
        return self._current is not None or bool(self._unsent) or self._transport.get_write_buffer_size() > 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_WRITE_HIGH)
        if _NOTSENT_LOWAT is not None:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, _UNSENT_BYTES)
        self._since = self._loop.time()
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._refused or self.closing:
            return
        if not self._in_body:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._after_upgrade(data[cast("int", upgrade.args[0]) :])
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, FreeholdError) else BadRequest("the request cannot be read"))
        except httptools.HttpParserError:
            self._refuse(BadRequest("the request is not valid HTTP/1.1"))
        else:
            if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HeadTooLarge(_HEAD_TOO_LARGE))

    def eof_received(self) -> bool:
        self.flush()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.closing = True
        self._connections.discard(self)
        self._unsent.clear()
        current, self._current = self._current, None
        self._queue.clear()
        self._parser = cast("httptools.HttpRequestParser", None)  # it knows this connection: freed at once
        if current is not None:
            current.lost()

    def pause_writing(self) -> None:
        self._writing_paused = True
        self._since = self._loop.time()
        if self._current is not None:
            self._current.on_pause()

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._since = self._loop.time()
        if self._current is not None:
            self._current.on_resume()
        elif self._queue:
            self._loop.call_soon(self._next)

    # httptools

    def on_message_begin(self) -> None:
        self._in_head, self._in_body = True, False
        self._url, self._headers, self._body = b"", [], []
        self._body_bytes = self._field_bytes = 0
        self._since = self._loop.time()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._field_bytes += len(name) + len(value)
        if self._field_bytes > MAX_HEAD_BYTES:
            raise HeadTooLarge(_HEAD_TOO_LARGE)
        if self._in_head:  # what comes behind the body (a trailer) was not there when the request was judged
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body, self._head_bytes = False, True, 0
        self._began = self._since = self._loop.time()
        self._named = named = by_name(self._headers)
        length = named.get(b"content-length")
        if length is not None and length.isdigit() and int(length) > self._max_body:
            raise body_too_large(self._max_body)
        expects = b"expect" in named and named[b"expect"].lower() == b"100-continue"
        if expects and self._current is None and not self._queue and self._parser.get_http_version() != "1.0":
            self.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._since = self._loop.time()
        if self._body_bytes > self._max_body:
            raise body_too_large(self._max_body)
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        exchange = Exchange(self, self._parser.get_method(), self._url, self._headers, self._named, body)
        self._body = []
        keep_alive = self._parser.should_keep_alive()
        http_1_0 = self._parser.get_http_version() == "1.0"
        if self._current is not None or self._queue or self._writing_paused:
            # It waits behind those that came before it, also where the next of them is only about to begin; and until
            # the client reads what it was sent, or one that only ever asks would have us hold answers without end.
            self._queue.append((exchange, keep_alive, http_1_0))
            if len(self._queue) >= _PIPELINE:
                self._transport.pause_reading()
            return
        self._handle(exchange, keep_alive=keep_alive, http_1_0=http_1_0)

    # towards the exchange

    def write(self, data: bytes) -> None:
        """Write to the client, together with whatever else this turn of the loop brings."""
        unsent = self._unsent
        if not unsent:
            self._turn.add(self)
        unsent.append(data)
        if len(data) > _LARGE or len(unsent) > _MANY:
            self.flush()  # or one turn, in which a fast provider is read from many times, would hold megabytes

    def flush(self) -> None:
        """Send what was written."""
        if self._unsent:
            data, self._unsent = self._unsent, []
            self._transport.write(data[0] if len(data) == 1 else b"".join(data))

    def answered(self) -> None:
        """The current exchange is finished: close, or go on with the next request that waits."""
        self._current = None
        self._since = self._loop.time()
        if self._refused:
            self._linger()
        elif not self.keep_alive:
            self.close()
        elif self._queue:
            # Not now: a handler that answers at once would otherwise nest one frame per pipelined request.
            self._loop.call_soon(self._next)

    def afterwards(self, what: Callable[[], None]) -> None:
        """Do something once all that was written in this turn of the loop has been sent."""
        self._turn.afterwards(what)

    def close(self) -> None:
        """Flush what was written and close. No further request is read."""
        self.closing = True
        self.flush()
        self._transport.close()

    def _linger(self) -> None:
        # Closing with bytes unread resets the connection, and a reset can overtake the answer. So end our side, and
        # let the rest of the request come to nothing until the client closes or `expire` does.
        self.closing = True
        if not self._transport.is_closing():
            self.flush()
            self._transport.resume_reading()
            self._transport.write_eof()

    def drain(self) -> None:
        """Close as soon as nothing is being answered."""
        self.keep_alive = False
        if self._current is None:
            self.close()

    def expire(self, now: float, timeouts: Timeouts, stall_s: float) -> None:
        """Close where the client takes longer than it may: to send, to come back, or to read for `stall_s`."""
        waited = now - self._since
        if self.closing:
            self._expire_closing(now, stall_s)
        elif self._writing_paused:
            if waited > stall_s:
                self._transport.abort()
        elif self._current is not None:
            return
        elif self._in_head or self._in_body:
            if waited > (timeouts.head_s if self._in_head else timeouts.read_s) or self._drips(now, timeouts.read_s):
                self._refuse(RequestTimeout("the request was not finished in time"))
        elif waited > timeouts.keep_alive_s:
            self.close()

    def _expire_closing(self, now: float, stall_s: float) -> None:
        # What was written may still be on its way to a client that reads slowly; while it does read, it is given time.
        unread = self._transport.get_write_buffer_size()
        if unread != self._unread:
            self._unread, self._since = unread, now
        elif now - self._since > (stall_s if unread else _LINGER_S):
            self._transport.abort()

    def _drips(self, now: float, read_s: float) -> bool:
        return self._in_body and now - self._began > read_s * (1 + self._body_bytes / _SLOWEST_BODY)

    def _handle(self, exchange: Exchange, *, keep_alive: bool, http_1_0: bool) -> None:
        self._current = exchange
        self.keep_alive = keep_alive and self.keep_alive
        self.http_1_0 = http_1_0
        self._handler(exchange)

    def _next(self) -> None:
        if self.closing or self._writing_paused or self._current is not None or not self._queue:
            return
        exchange, keep_alive, http_1_0 = self._queue.popleft()
        if len(self._queue) < _PIPELINE // 2:
            self._transport.resume_reading()
        self._handle(exchange, keep_alive=keep_alive, http_1_0=http_1_0)

    def _after_upgrade(self, rest: bytes) -> None:
        # A client that offers HTTP/2 or a web socket is answered over HTTP/1.1, as RFC 9110 §7.8 allows.
        self._parser = httptools.HttpRequestParser(self)
        if self._rest is not None:
            self._rest = rest  # to be read below, or each of many such requests in one read would nest in the last
            return
        while rest:
            self._rest = b""
            self.data_received(rest)
            rest, self._rest = self._rest, None

    def _refuse(self, error: FreeholdError) -> None:
        self._in_head = self._in_body = False
        self.keep_alive = False
        self._refused = True
        if self._current is not None:
            self._transport.pause_reading()  # the answers before it are still owed
            self._queue.clear()
            return
        if self._queue:
            self._queue.clear()  # the next of them was about to begin, and the refusal would be taken for its answer
            self._linger()
            return
        self._current = refused = Exchange(self, b"", b"", [], {}, b"")
        refused.envelope = asking(self._url).error_envelope  # what was not read whole is routed nowhere
        refused.fail(error)


class Server:
    """Listens, and watches over its connections once a second."""

    def __init__(
        self, handler: Handler, *, max_body_bytes: int, stall_s: float, timeouts: Timeouts | None = None
    ) -> None:
        self._handler = handler
        self._max_body = max_body_bytes
        self._stall_s = stall_s
        self._timeouts = timeouts or Timeouts()
        self._server: asyncio.Server | None = None
        self._watch: asyncio.TimerHandle | None = None
        self.connections: set[ServerConnection] = set()

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        address: Any = self._server.sockets[0].getsockname()
        return int(address[1])

    async def start(self, host: str, port: int, *, reuse_port: bool = False) -> None:
        """Listen on `host`:`port` (0: any free port); with `reuse_port` beside other processes that do the same."""
        loop = asyncio.get_running_loop()
        turn = Turn(loop)
        self._server = await loop.create_server(
            lambda: ServerConnection(self._handler, self.connections, turn, self._max_body),
            host,
            port,
            backlog=2048,
            reuse_port=reuse_port or None,
        )
        self._tick()

    async def stop(self, drain_s: float) -> None:
        """Stop listening, let running answers finish for at most `drain_s`, then close everything."""
        if self._server is None:
            return
        loop = asyncio.get_running_loop()
        self._server.close()
        for connection in tuple(self.connections):
            connection.drain()
        end = loop.time() + drain_s
        while any(one.busy for one in self.connections) and loop.time() < end:  # noqa: ASYNC110 -- once, at the end
            await asyncio.sleep(0.02)
        if self._watch is not None:
            self._watch.cancel()
        for connection in tuple(self.connections):
            connection.close()
        self._server = None

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in tuple(self.connections):
            connection.expire(now, self._timeouts, self._stall_s)
        self._watch = loop.call_later(min(1.0, self._stall_s / 4), self._tick)
