"""A real gateway in a thread, with a ledger that can be looked at."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import uvloop

from freehold.gateway.app import Doors, Gateway
from freehold.registry import routes
from freehold.settings import Loaded, Settings
from freehold.vocabulary import Call, MessagePattern, Route, RouteTable, Slot, Task, Template

SYSTEM = "Sort this message."
TEMPLATE = Template("t1", (MessagePattern("system", (SYSTEM,)), MessagePattern("user", (Slot("message"),))))
TASK = Task("task-1", "triage", "classification", (TEMPLATE,), 10, 1.0, "the same prompt")


class MemoryLedger:
    """Keeps calls in a list and checks that every mark comes before its offer."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.marks = 0
        self._changed = threading.Condition()

    def mark(self) -> int:
        self.marks += 1
        return self.marks

    def offer(self, call: Call) -> bool:
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
        return True

    def health(self) -> Any:
        return SimpleNamespace(pending=0, written=len(self.calls), dropped=0, last_error="")

    def wait(self, count: int = 1, timeout: float = 60.0) -> list[Call]:
        """The calls, once there are `count`."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.calls) >= count, timeout), f"only {len(self.calls)} calls"
            return list(self.calls)


class Running:
    """A gateway that listens."""

    def __init__(self, gateway: Gateway, loop: asyncio.AbstractEventLoop, home: Path, ledger: MemoryLedger) -> None:
        self.gateway, self._loop, self.home, self.ledger = gateway, loop, home, ledger

    @property
    def port(self) -> int:
        return self.gateway.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def on_loop(self, function: Any, *args: Any) -> Any:
        """Call something in the gateway's loop."""

        async def call() -> Any:
            return function(*args)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(10)

    def begin_stop(self) -> Any:
        """Begin to drain; the result is there when everything has ended."""
        return asyncio.run_coroutine_threadsafe(self.gateway.stop(), self._loop)

    def publish(self, *changed: Route, tasks: tuple[Task, ...] = (TASK,), restricted: tuple[str, ...] = ()) -> None:
        """Publish a route table and wait until the gateway uses it."""
        version = self.gateway.router.table.version + 1
        routes.write(routes.path(self.home), RouteTable(version, tasks, changed, restricted))
        self.on_loop(self.gateway.refresh)
        asyncio.run_coroutine_threadsafe(self.gateway.owned.settled(10.0), self._loop).result(20)
        assert self.gateway.router.table.version == version


def settings(**tables: Any) -> Settings:
    """Settings from plain tables."""
    return msgspec.convert(tables, Settings)


def renting_from(url: str, **gateway: Any) -> Settings:
    """Settings with one provider, short waits, and neither second chances nor a memory of failures."""
    waits = {"connect_timeout_s": 1.0, "first_byte_timeout_s": 5.0, "idle_timeout_s": 5.0, "drain_s": 1.0}
    waits |= {"retries": 0, "eject_after": 0}
    return settings(providers={"up": {"kind": "openai", "base_url": url}}, gateway=waits | gateway)


@contextmanager
def running(made: Settings, home: Path, doors: Doors | None = None, environ: Any = None) -> Iterator[Running]:
    """A gateway in a thread of its own, until the block ends. Its ledger can be looked at, unless `doors` bring one."""
    ledger = MemoryLedger()
    doors = doors or Doors()
    doors = doors if doors.ledger is not None else doors._replace(ledger=ledger)
    home.mkdir(exist_ok=True)
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Gateway:
        gateway = Gateway(Loaded(made, home, {}), doors, environ={} if environ is None else environ)
        await gateway.start(0)
        return gateway

    gateway = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
    try:
        yield Running(gateway, loop, home, ledger)
    finally:
        asyncio.run_coroutine_threadsafe(gateway.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def connect(port: int) -> socket.socket:
    """A raw connection."""
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def request_bytes(body: bytes, path: str = "/v1/chat/completions", headers: str = "", method: str = "POST") -> bytes:
    """A raw request."""
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def read_response(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """One response, chunks joined. Raises EOFError where it is cut; `body_so_far` is its argument."""
    file = sock.makefile("rb")
    status = int(file.readline().split()[1])
    headers: dict[str, str] = {}
    while (line := file.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") != "chunked":
        return status, headers, file.read(int(headers.get("content-length", 0)))
    body = b""
    while True:
        line = file.readline()
        if not line:
            raise EOFError(body)
        size = int(line, 16)
        data = file.read(size + 2)
        if len(data) < size + 2:
            raise EOFError(body + data)
        if not size:
            return status, headers, body
        body += data[:-2]
