"""A provider that plays scripts, byte by byte: the far side of every test that needs one.

    with Upstream() as up:
        up.play(send(http(200, chat("hello"))))            # the next request gets this
        up.play(send(STREAM_HEAD, chunk(event("a"))), SILENCE)   # then one that stalls
        ...                                                 # every further one: `up.default`, or what `up.choose` says

It runs in a thread of its own, keeps every byte it was sent, and notes when each peer left. `tests.support.unreachable`
has the providers that never get as far as a request.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass
class Step:
    """One thing to do: send bytes, wait for an event or some seconds, close, reset, or be silent until it goes."""

    data: bytes = b""
    wait: float | threading.Event | None = None
    close: bool = False
    reset: bool = False
    silence: bool = False


def send(*pieces: bytes) -> Step:
    return Step(data=b"".join(pieces))


def wait(what: float | threading.Event) -> Step:
    return Step(wait=what)


def drip(pieces: Iterable[bytes], pause_s: float = 0.003) -> list[Step]:
    """Send pieces so far apart that each is most likely a read of its own."""
    return [step for piece in pieces for step in (send(piece), wait(pause_s))]


def pieces_of(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The bytes, cut at these places."""
    edges = [0, *sorted(set(cuts)), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


CLOSE = Step(close=True)
RESET = Step(reset=True)
SILENCE = Step(silence=True)

JSON = {"content-type": "application/json"}
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


def chat(content: str = "hello", **extra: object) -> bytes:
    """Body of a chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    body = {"id": "chatcmpl-up", "object": "chat.completion", "created": 1, "model": "up-1", "choices": [choice]}
    return json.dumps(body | {"usage": USAGE} | extra, ensure_ascii=False).encode()


def http(status: int, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """A whole response."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in (JSON | (headers or {})).items())
    return f"HTTP/1.1 {status} X\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


def chunk(*data: bytes) -> bytes:
    """One HTTP chunk."""
    whole = b"".join(data)
    return b"%x\r\n%b\r\n" % (len(whole), whole)


def event(content: str | None = None, finish: str | None = None, **extra: object) -> bytes:
    """One event of a streamed chat completion."""
    delta = {} if content is None else {"content": content}
    body = {"id": "chatcmpl-up", "object": "chat.completion.chunk", "created": 1, "model": "up-1"}
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps(body | {"choices": choices} | extra, ensure_ascii=False).encode() + b"\n\n"


def usage_event() -> bytes:
    """The last event of a stream with `include_usage`."""
    return event(choices=[], usage=USAGE)


def streamed(*events: bytes) -> bytes:
    """A streamed answer of these events, one HTTP chunk each."""
    return STREAM_HEAD + b"".join(chunk(one) for one in events) + LAST_CHUNK


def stream(*contents: str) -> bytes:
    """A whole streamed answer, one HTTP chunk per event."""
    return streamed(*(event(content) for content in contents), event(finish="stop"), usage_event(), DONE)


@dataclass
class Received:
    """One request as it came."""

    head: bytes
    body: bytes
    left: threading.Event = field(default_factory=threading.Event)
    left_at: float = 0.0

    def leave(self) -> None:
        """The peer closed the connection."""
        if not self.left.is_set():
            self.left_at = time.monotonic()
            self.left.set()

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}


class Upstream:
    """A scripted provider on a free port.

    `choose`, where it is set, gives the script of each request for which none was queued.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.default: tuple[Step, ...] = (send(http(200, chat())),)
        self.choose: Callable[[Received], tuple[Step, ...]] | None = None
        self._tls = tls
        self.requests: list[Received] = []
        self.connections = 0
        self.bytes_received = 0
        self.refuse_next = 0
        self.arrived = threading.Semaphore(0)
        self._scripts: deque[tuple[Step, ...]] = deque()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._up = threading.Event()
        self._down: asyncio.Event
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    def play(self, *steps: Step) -> None:
        """Queue a script for one request."""
        self._scripts.append(steps)

    @property
    def played(self) -> bool:
        """Whether every queued script was used."""
        return not self._scripts

    def wait_for_request(self, timeout: float = 60.0) -> Received:
        """The next request that nobody has waited for yet."""
        assert self.arrived.acquire(timeout=timeout), "no request came"
        return self.requests[-1]

    def __enter__(self) -> Upstream:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._down = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._down.wait()
        server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            if self.refuse_next:
                self.refuse_next -= 1
                return
            while await self._request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # cancelled: everything ends, and a task that says so is reported as a fault by Python 3.11
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    def _next(self, received: Received) -> tuple[Step, ...]:
        if self._scripts:
            return self._scripts.popleft()
        return self.choose(received) if self.choose is not None else self.default

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        self.bytes_received += len(head)
        received = Received(head[:-4], b"")
        received.body = await reader.readexactly(int(received.headers.get("content-length", 0)))
        self.bytes_received += len(received.body)
        script = self._next(received)
        self.requests.append(received)
        self.arrived.release()
        watch = asyncio.ensure_future(_until_gone(reader, received))
        try:
            return await _perform(script, writer, received, watch)
        except ConnectionError:
            received.leave()  # while it was written to
            raise
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)


async def _perform(
    script: tuple[Step, ...], writer: asyncio.StreamWriter, received: Received, watch: asyncio.Future[None]
) -> bool:
    for step in script:
        if step.data:
            writer.write(step.data)
            await writer.drain()
        if isinstance(step.wait, threading.Event):
            while not step.wait.is_set() and not watch.done():  # noqa: ASYNC110 -- the event is another thread's
                await asyncio.sleep(0.002)
        elif step.wait is not None:
            await asyncio.wait([watch], timeout=step.wait)
        if step.silence:
            await watch
        if step.close or received.left.is_set():
            return False
        if step.reset:
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
    return True


async def _until_gone(reader: asyncio.StreamReader, received: Received) -> None:
    # Peers send nothing while an answer is made, so the first thing to be seen is their end. Reading must not consume a
    # pipelined request: the reader's buffer is looked at instead of read.
    while not reader.at_eof() and reader.exception() is None:  # noqa: ASYNC110 -- see above
        await asyncio.sleep(0.002)
    received.leave()
