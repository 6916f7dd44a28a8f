"""A gateway for rehearsals: configured as the home is, with recordings in the place of its providers, in a thread."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import threading
from collections.abc import Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import msgspec

from freehold.gateway.app import Doors, Gateway
from freehold.gateway.faults import Schedule
from freehold.gateway.recorded import Recording, serve_recording
from freehold.ledger.exporting import export_calls
from freehold.ledger.writer import LedgerHealth
from freehold.registry import routes
from freehold.serving import StudentHost
from freehold.settings import GatewaySettings, Loaded, ProviderSettings, Settings, TaskSettings
from freehold.vocabulary import Call
from freehold.wire.known import DIALECTS

T = TypeVar("T")

_PATIENCE = ("connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s", "total_timeout_s")
_LEAST_S = 0.25
"""However much time is compressed, a rehearsal waits so long for what needs no time in it."""


class Kept:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}

    def mark(self) -> int:
        """Nothing is lost here."""
        return 0

    def offer(self, call: Call) -> bool:
        """Keep a call."""
        self.calls[call.id] = call
        return True

    def health(self) -> LedgerHealth:
        """Always well."""
        return LedgerHealth(0, 0, len(self.calls), 0, len(self.calls), "", 0, False)


class Staged:
    """A gateway that listens at `url`, and the calls it answered."""

    def __init__(self, gateway: Gateway, kept: Kept, host: StudentHost) -> None:
        self.gateway = gateway
        self.url = f"http://127.0.0.1:{gateway.port}"
        self.host = host
        self._kept = kept

    def call(self, call_id: str) -> Call | None:
        """The record of a call that was answered; None while it is not over, or where there is none."""
        return self._kept.calls.get(call_id)

    def calls(self) -> list[Call]:
        """The records of all calls that are over, in the order in which they ended."""
        return list(self._kept.calls.values())


@contextmanager
def staged(
    home: Path,
    settings: Settings,
    recording: Recording,
    faults: Mapping[str, Schedule],
    speed: float,
    fully: str = "",
) -> Generator[Staged]:
    """A gateway with the settings, routes and owned models of a home, whose providers play a recording.

    Waits are shorter by `speed`. Nothing is written into the home: no call, no budget, no demotion. Virtual keys are
    not asked for, and audits are left out. `fully`: the id of a task whose owned model serves as on stage full.

    Raises:
        ConfigurationError: the settings make no sense.
    """
    with tempfile.TemporaryDirectory(prefix="freehold-drill-") as folder, _loop() as run:
        _copy_routes(home, Path(folder), fully)
        servers = {
            name: run(serve_recording(recording, latency=1.0 / speed, faults=faults.get(name)))
            for name in settings.providers
        }
        urls = {name: f"http://127.0.0.1:{server.port}/v1" for name, server in servers.items()}
        loaded = Loaded(rehearsed(settings, urls, speed), Path(folder), {})
        kept = Kept()

        async def start() -> Staged:
            host = StudentHost(home, workers=settings.gateway.owned_workers)
            gateway = Gateway(loaded, Doors(ledger=kept, host=host), environ={})
            await gateway.start(0)
            return Staged(gateway, kept, host)

        stage = run(start())
        try:
            yield stage
        finally:
            run(stage.gateway.stop())
            for server in servers.values():
                run(server.stop(0.0))


@contextmanager
def playing(recording: Recording, faults: Schedule, host: str, port: int, speed: float) -> Generator[str]:
    """A recording served as a provider for somebody else's gateway; yields its address.

    Raises:
        OSError: the address cannot be listened on.
    """
    with _loop() as run:
        server = run(serve_recording(recording, host=host, port=port, latency=1.0 / speed, faults=faults))
        try:
            yield f"http://{host}:{server.port}/v1"
        finally:
            run(server.stop(0.0))


def rehearsed(settings: Settings, urls: Mapping[str, str], speed: float) -> Settings:
    """The same settings with other addresses for the providers, no keys, and waits shorter by `speed`."""
    providers = {name: _provider(one, urls[name], speed) for name, one in settings.providers.items()}
    gateway = settings.gateway
    pauses = {name: getattr(gateway, name) / speed for name in ("retry_wait_s", "eject_s", "queue_timeout_s")}
    gateway = msgspec.structs.replace(
        gateway, **_sooner(gateway, speed), **pauses, drain_s=2.0, require_key=False, trust_replay_times=False
    )
    tasks = {name: msgspec.structs.replace(one, **_sooner(one, speed)) for name, one in settings.tasks.items()}
    return msgspec.structs.replace(settings, providers=providers, gateway=gateway, tasks=tasks)


def _provider(one: ProviderSettings, url: str, speed: float) -> ProviderSettings:
    """A server that speaks every dialect, so that what was recorded in one is answered in it."""
    place = {"kind": "compatible", "base_url": url, "dialects": tuple(DIALECTS)}
    emptied = dict.fromkeys(("api_key_env", "file", "region", "api_version"), "")
    return msgspec.structs.replace(one, **place, **emptied, **_sooner(one, speed))


def _sooner(table: GatewaySettings | ProviderSettings | TaskSettings, speed: float) -> dict[str, float]:
    """The waits that a table sets, compressed."""
    found = {name: getattr(table, name) for name in _PATIENCE}
    return {name: max(value / speed, _LEAST_S) for name, value in found.items() if value is not None}


def _copy_routes(home: Path, folder: Path, fully: str) -> None:
    """The home's routes without their audits: a rehearsal proves nothing about owned models."""
    table = routes.load(routes.path(home))
    if table.version:
        quiet = [msgspec.structs.replace(route, audit_share=0.0) for route in table.routes]
        quiet = [msgspec.structs.replace(one, stage="full") if one.task_id == fully else one for one in quiet]
        routes.write(routes.path(folder), msgspec.structs.replace(table, routes=tuple(quiet)))


@contextmanager
def recorded(calls: Sequence[Call]) -> Generator[Recording]:
    """Calls as a recording that stands in for any provider."""
    with orderly(), tempfile.TemporaryDirectory(prefix="freehold-drill-") as folder:
        log = Path(folder) / "calls.jsonl"
        with log.open("wb") as file:
            export_calls(calls, file)
        recording = Recording(log, any_model=True)
        try:
            yield recording
        finally:
            recording.close()


@contextmanager
def orderly() -> Generator[None]:
    """Within it SIGTERM and SIGHUP end a rehearsal as Ctrl-C does: with all that it started, and without a trace."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    ends = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) == signal.SIG_DFL]
    for one in ends:
        signal.signal(one, _end)
    try:
        yield
    finally:
        for one in ends:
            signal.signal(one, signal.SIG_DFL)


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


async def _settled() -> None:
    """Let what was closed in this turn of the loop, or by what was closed, be over."""
    for _ in range(3):
        await asyncio.sleep(0)


class _Run:
    """Runs coroutines in a loop of another thread, one after the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


@contextmanager
def _loop() -> Generator[_Run]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="freehold-rehearsal", daemon=True)
    thread.start()
    run = _Run(loop)
    try:
        yield run
    finally:
        run(_settled())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
