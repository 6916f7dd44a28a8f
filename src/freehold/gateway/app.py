"""The gateway: its parts put together, its routes, its start and its end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import signal
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from freehold.errors import FreeholdError, MissingPrerequisite, NotFound, UsageError
from freehold.registry import keys, routes
from freehold.registry.names import declared_ordinary, folded
from freehold.settings import Loaded, TaskSettings
from freehold.tasks.matching import TaskMatcher
from freehold.vocabulary import Call, Route

from ._attribution import Attribution
from ._audits import AuditBook
from ._cache import AnswerCache
from ._call import ModelCall
from ._coding import decoded
from ._endpoints import Endpoint, endpoint_of, spoken_by
from ._exchange import Exchange
from ._feedback import Feedback, decode_feedback, unreadable
from ._owned import OwnedModels, StudentHost
from ._relay import Relay
from ._rental import Terms
from ._router import MakeMatcher, Resolution, Router
from ._server import Server
from ._sunsets import Sunsets
from ._targets import Targets
from .callers import Callers
from .metrics import Metrics, Reading
from .providers import providers_of
from .resilience.deadlines import Deadlines, Timetable
from .resilience.health import Health
from .resilience.policy import policy

_JSON = b"content-type: application/json\r\n"
_REFRESH_S = 0.2
_log = logging.getLogger(__name__)
_LOAD_S = 10.0
_DEFAULTS = TaskSettings()


class Ledger(Protocol):
    """Where calls go (`freehold.ledger.writer.LedgerWriter`). Never blocks, never raises."""

    def mark(self) -> int:
        """Count an answer before its last byte leaves."""
        ...

    def offer(self, call: Call) -> bool:
        """Hand over a finished call."""
        ...

    def health(self) -> Any:
        """How it is doing: `pending`, `written`, `dropped`, `last_error`."""
        ...


class Doors(NamedTuple):
    """What the gateway is given from outside; each may be left out.

    `ledger` None: nothing is recorded. `host` None: everything is rented; the gateway closes it. `demoted` is called in
    a thread when an audit took a route off, to make it last. `keep_feedback`, called in a thread too, keeps a person's
    answer; None: feedback is refused. `metrics`: the counters to use, where several processes share them.
    """

    ledger: Ledger | None = None
    host: StudentHost | None = None
    demoted: Callable[[Route, str], None] | None = None
    keep_feedback: Callable[[Feedback], None] | None = None
    make_matcher: MakeMatcher = TaskMatcher
    metrics: Metrics | None = None


class Gateway:
    """One gateway in one event loop.

    Args:
        loaded: settings, home and where each setting came from.
        doors: the ledger, the owned models and the callbacks it works with.
        environ: where keys are read from.

    Raises:
        ConfigurationError: a provider in the settings makes no sense.
    """

    def __init__(self, loaded: Loaded, doors: Doors | None = None, *, environ: Mapping[str, str] | None = None) -> None:
        self._loaded = loaded
        self._doors = doors or Doors()
        self.settings = loaded.settings.gateway
        self.metrics = self._doors.metrics or Metrics()
        self.clock = asyncio.get_running_loop().time
        self.watch = time.monotonic  # times what is recorded; uvloop's clock counts whole milliseconds
        self.random = random.Random(os.urandom(16))
        self.owned = OwnedModels(self._doors.host, self.settings.owned_timeout_s)
        self.calls: set[ModelCall] = set()
        self._providers = providers_of(loaded.settings, os.environ if environ is None else environ)
        self.targets = Targets(loaded.settings, self._providers)
        self._task_settings = {folded(name): one for name, one in loaded.settings.tasks.items()}
        self._task_keys: dict[tuple[str, str], str] = {}  # of known tasks alone, so that no client can fill it
        self.health = Health(policy(loaded.settings), self.clock, self.random)
        self.terms = self._terms()
        self.router = Router(
            routes.path(loaded.home), loaded.settings.tasks, self._doors.make_matcher, declared_ordinary(loaded)
        )
        self.cache = AnswerCache(self.settings.cache_bytes, self.clock)
        self.sunsets = Sunsets(loaded.home)
        self.callers = Callers(loaded.home, loaded.settings)
        self.attribution = _attribution(loaded)
        self._audits = AuditBook(loaded.home / "audits")
        self._server = Server(
            self._handle, max_body_bytes=self.settings.max_body_bytes, stall_s=self.settings.idle_timeout_s
        )
        self._refresher: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.port

    async def start(self, port: int | None = None) -> None:
        """Let providers prepare, read the routes, begin to load owned models, then listen.

        Calls for an owned model wait until it is loaded, though not for long.

        Args:
            port: instead of the settings' port; 0 for any free one.

        Raises:
            OSError: the port is taken.
        """
        for provider in self._providers.values():
            await asyncio.to_thread(provider.prepare)
        await asyncio.to_thread(self.callers.prepare)
        for certificate_id in self._audits.rejected():
            self.router.demote(certificate_id)
        self._refresh()
        self.owned.await_loading(min(_LOAD_S, self.settings.total_timeout_s))
        port = self.settings.port if port is None else port
        await self._server.start(self.settings.host, port, reuse_port=self.settings.workers > 1)

    async def stop(self) -> None:
        """Stop listening, finish what runs within `gateway.drain_s`, record everything, close."""
        self._draining = True
        if self._refresher is not None:
            self._refresher.cancel()
        end = self.clock() + self.settings.drain_s
        await self._server.stop(self.settings.drain_s)
        while self.calls and self.clock() < end:  # noqa: ASYNC110 -- once, at the end
            await asyncio.sleep(0.01)
        self.health.close()
        for call in tuple(self.calls):
            call.give_up()
        for provider in self._providers.values():
            provider.close()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=5.0)
        await self.owned.close()
        self.callers.close()
        await asyncio.to_thread(self.sunsets.settle)
        self._audits.close()

    # what calls use

    def task_settings(self, resolution: Resolution) -> TaskSettings:
        """What the settings say of a call's task, by its name or id; the defaults where they say nothing."""
        return self._task_settings.get(self.task_key(resolution), _DEFAULTS)

    def task_key(self, resolution: Resolution) -> str:
        """The name under which the settings speak of a call's task, folded; "" where they say nothing.

        Where they say nothing of the task that was recognised, the name that the caller gave counts.
        """
        if not self._task_settings:
            return ""
        key = self._key_of_task(resolution) if resolution.task_id else ""
        return key or (folded(resolution.named) if resolution.named else "")

    def _key_of_task(self, resolution: Resolution) -> str:
        task = resolution.task_name, resolution.task_id
        key = self._task_keys.get(task)
        if key is None:
            names = folded(resolution.task_name), resolution.task_id
            key = self._task_keys[task] = next((name for name in names if name in self._task_settings), "")
        return key

    def mark(self) -> None:
        """Count an answer before its last byte leaves."""
        if self._doors.ledger is not None:
            self._doors.ledger.mark()

    def record(self, finished: ModelCall) -> None:
        """Keep a call that is over."""
        self.calls.discard(finished)
        call = finished.call
        self.metrics.ended(call, finished.task_name)
        if self._doors.ledger is not None:
            self._doors.ledger.offer(call)

    def audited(self, route: Route, wrong: bool | None) -> None:  # noqa: FBT001 -- a result, not a switch
        """Take the result of an audit; a promise that no longer holds takes the route off at once."""
        result = "unknown" if wrong is None else "differs" if wrong else "agrees"
        self.metrics.audits[route.task_name, result] += 1
        if wrong is None or route.against != "teacher" or not self._audits.record(route, wrong=wrong):
            return
        self.router.demote(route.certificate_id)
        self.metrics.demotions[route.task_name] += 1
        demoted = self._doors.demoted
        if demoted is not None:
            reason = f"its audit shows more than {route.alpha:g} of the answers wrong"
            self._background(asyncio.to_thread(demoted, route, reason))

    # requests

    def _handle(self, exchange: Exchange) -> None:
        try:
            self._routed(exchange)
        except FreeholdError as error:
            exchange.fail(error)
        except Exception as fault:  # noqa: BLE001 -- one request must not take the connection's others with it
            self.metrics.internal_errors += 1
            exchange.fail(FreeholdError(f"the gateway failed ({type(fault).__name__})"))

    def _routed(self, exchange: Exchange) -> None:
        endpoint = endpoint_of(exchange)
        if endpoint is not None:
            exchange.envelope = endpoint.dialect.error_envelope
            self._to_model(exchange, endpoint)
            return
        known = _ROUTES.get(exchange.path)
        if known is None:
            exchange.envelope = spoken_by(exchange).error_envelope
            raise NotFound("no such path", hint="docs/wire.md lists every path")
        methods, handler = known
        if exchange.method not in methods:
            raise _wrong_method(methods)
        handler(self, exchange)

    def _to_model(self, exchange: Exchange, endpoint: Endpoint) -> None:
        if exchange.method not in endpoint.methods:
            raise _wrong_method(endpoint.methods)
        if endpoint.relayed:
            Relay(self, exchange, endpoint).begin()
        else:
            ModelCall(self, exchange, endpoint.dialect).begin()

    def live(self, exchange: Exchange) -> None:
        """`GET /health/live`: the process runs."""
        exchange.respond(200, _JSON, b'{"status":"live"}')

    def ready(self, exchange: Exchange) -> None:
        """`GET /health/ready`: whether calls can be answered, and what is missing."""
        missing = self.missing()
        status = "draining" if self._draining else "missing" if missing else "ready"
        version = self.router.table.version
        body = msgspec.json.encode(
            {"status": status, "missing": missing, "routes": version, "owned_faults": self.owned.faults}
        )
        exchange.respond(200 if status == "ready" else 503, _JSON, body)

    def missing(self) -> list[str]:
        """What has to be set before calls can be answered, for a person."""
        faults = (self.router.fault, self.callers.fault, self.callers.book_fault, self.callers.price_fault)
        found = [fault.message for fault in faults if fault is not None]
        try:
            missing = self.targets.default("").missing()
        except FreeholdError as error:
            missing = str(error)
        return [*found, missing] if missing else found

    def show_metrics(self, exchange: Exchange) -> None:
        """`GET /metrics`: Prometheus' text format, over all processes of this gateway."""
        text = self.metrics.text(self._readings())
        exchange.respond(200, b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n", text)

    def _readings(self) -> list[Reading]:
        """What the ledger and the routes say of themselves."""
        readings: list[Reading] = [
            ("freehold_routes_version", (), self.router.table.version),
            ("freehold_routes_errors_total", (), self.router.errors),
        ]
        readings += self.health.samples()
        if self._doors.ledger is not None:
            health = self._doors.ledger.health()
            readings += [
                ("freehold_ledger_pending", (), health.pending),
                ("freehold_ledger_written_total", (), health.written),
                ("freehold_ledger_dropped_total", (), health.dropped),
                ("freehold_ledger_healthy", (("error", health.last_error),), 0.0 if health.last_error else 1.0),
            ]
        return readings

    def feedback(self, exchange: Exchange) -> None:
        """`POST /v1/feedback`: what somebody says of an earlier call."""
        keep = self._doors.keep_feedback
        caller = self.callers.identify(exchange.headers)
        _, body = decoded(exchange.headers, exchange.body, self.settings.max_body_bytes)
        feedback = decode_feedback(body, given_by=caller.key.name if caller is not None else "")
        if keep is None:
            raise MissingPrerequisite("this gateway keeps no feedback", hint="start it with freehold up")

        async def run() -> None:
            try:
                await asyncio.to_thread(keep, feedback)
            except Exception as error:  # noqa: BLE001 -- whatever the store says, the client gets an envelope
                exchange.fail(unreadable(error))
            else:
                exchange.respond(200, _JSON, msgspec.json.encode({"call_id": feedback.call_id, "kept": True}))

        self._background(run())

    # behind the scenes

    def _terms(self) -> Terms:
        """How calls are rented, as the settings say."""
        one = self.settings
        waits = Deadlines(one.connect_timeout_s, one.first_byte_timeout_s, one.idle_timeout_s, one.total_timeout_s)
        hedges = {name: task.hedge for name, task in self._task_settings.items() if task.hedge is not None}

        def hedged(task: str) -> bool:
            return hedges.get(task, one.hedge)

        return Terms(
            self.health,
            Timetable(waits, self._loaded.settings.providers, self._task_settings),
            hedged,
            one.max_body_bytes,
            self.clock,
            self.watch,
            asyncio.get_running_loop().call_later,
            self._count_attempt,
        )

    def _count_attempt(self, provider: str, purpose: str, outcome: str) -> None:
        self.metrics.attempts.add((provider, purpose, outcome))

    def _background(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def refresh(self) -> None:
        """Read the route table again where it has changed, and load the students it needs."""
        self.router.refresh()
        self.callers.refresh()
        self.owned.refresh(self.router.table)

    def _refresh(self) -> None:
        self.refresh()
        if self._doors.metrics is not None:
            self.metrics.read(self._readings())  # for the others to show
        self._refresher = asyncio.get_running_loop().call_later(_REFRESH_S, self._refresh)


class _WrongMethod(UsageError):
    """A known path was asked with another method."""

    code = "method_not_allowed"
    status = 405


def _wrong_method(methods: tuple[bytes, ...]) -> _WrongMethod:
    allowed = b", ".join(methods)
    error = _WrongMethod(f"this path takes {allowed.decode()}")
    error.lines = b"allow: %b\r\n" % allowed
    return error


_READ = (b"GET", b"HEAD")
_ROUTES: dict[bytes, tuple[tuple[bytes, ...], Callable[[Gateway, Exchange], None]]] = {
    b"/v1/feedback": ((b"POST",), Gateway.feedback),
    b"/health/live": (_READ, Gateway.live),
    b"/health/ready": (_READ, Gateway.ready),
    b"/metrics": (_READ, Gateway.show_metrics),
}


def _report(gateway: Gateway, context: dict[str, Any]) -> None:
    """Count a fault that no call caught, and name its kind alone: its message might hold content of a call."""
    gateway.metrics.internal_errors += 1
    _log.error("a fault outside any call: %s", type(context.get("exception")).__name__)


async def _run(loaded: Loaded, doors: Doors, port: int | None, ready: Callable[[Gateway], None]) -> None:
    gateway = Gateway(loaded, doors)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: _report(gateway, context))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
            loop.add_signal_handler(number, stop.set)
    await gateway.start(port)
    gc.collect()
    gc.freeze()  # what is loaded now stays: the collector need not look at it again
    ready(gateway)
    await stop.wait()
    await gateway.stop()


def serve(
    loaded: Loaded,
    *,
    doors: Doors | None = None,
    port: int | None = None,
    ready: Callable[[Gateway], None] = lambda _gateway: None,
) -> None:
    """Run a gateway until SIGTERM, SIGINT or SIGHUP, then drain. Blocks.

    Args:
        loaded: settings and home.
        doors: the ledger and the owned models; the caller opens and closes them.
        port: where to listen, instead of the settings' port; 0 for any free one.
        ready: called once it listens.

    Raises:
        ConfigurationError: the settings make no sense.
        OSError: the port is taken.
    """
    import uvloop

    uvloop.run(_run(loaded, doors or Doors(), port, ready))


def _attribution(loaded: Loaded) -> Attribution:
    kept = loaded.settings.ledger.end_users
    return Attribution(kept, keys.made_pepper(loaded.home) if kept == "hash" else b"")
