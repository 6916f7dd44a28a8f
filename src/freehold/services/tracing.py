"""Following the ledger, and telling a collector of OpenTelemetry of every call: a process of its own.

`python -m freehold.services.tracing HOME SINCE_US`, started by the housekeeper where `telemetry.otlp_endpoint` is set.
It never touches the path of a call: it reads what is recorded, and keeps a cursor in the home once the collector has
taken a batch, so that a call is told of at least once, however often this process, the gateway or the collector ends.
A batch that the collector refuses as unreadable is said and passed over; everything else is tried again.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from freehold import __version__
from freehold import settings as settings_module
from freehold.errors import FreeholdError, MissingPrerequisite
from freehold.ledger.following import Cursor, follow
from freehold.settings import Loaded, TelemetrySettings
from freehold.vocabulary import Call

from ._beside import ended
from .telemetry import SCHEMA_URL, SpanData, places, spans

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

FILE_NAME = "spans.json"
"""The cursor, in the home."""
LOOK_S = 1.0
_BATCH_CALLS = 100
_LAST_S = 5.0
_SLOWEST_S = 60.0
_PATH = "/v1/traces"
_UNREADABLE = frozenset({400, 413, 415, 422})
"""Statuses by which a collector says that trying again is of no use."""
_CURSOR = msgspec.json.Decoder(Cursor)


class Sent(NamedTuple):
    """What became of a batch. `refused`: the collector will never take it. `why` is for a person."""

    taken: bool
    refused: bool = False
    why: str = ""


class Collector:
    """The far side: OTLP over HTTP, protobuf.

    Args:
        settings: where it is.
        headers: the headers it wants, as `name=value,name=value`; secret.

    Raises:
        MissingPrerequisite: the extra is not installed.
    """

    def __init__(self, settings: TelemetrySettings, headers: str) -> None:
        try:
            import requests
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError as error:
            raise MissingPrerequisite(
                "telemetry.otlp_endpoint is set, and the extra that sends spans is not installed",
                hint="pip install 'freehold[otel]'",
            ) from error
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # we say it ourselves, once
        endpoint = settings.otlp_endpoint.rstrip("/")
        session = requests.Session()
        self._statuses: list[int] = []
        session.hooks["response"].append(self._note)
        self._exporter = OTLPSpanExporter(
            endpoint if endpoint.endswith(_PATH) else endpoint + _PATH,
            headers=_headers(headers),
            session=session,
        )
        self._made = _Spans(settings.service_name)

    def send(self, data: Iterable[SpanData]) -> Sent:
        """Send spans. Blocks for as long as the exporter tries, some ten seconds."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        made = self._made.of(data)
        if not made:
            return Sent(taken=True)
        self._statuses.clear()
        if self._exporter.export(made) is SpanExportResult.SUCCESS:
            return Sent(taken=True)
        status = self._statuses[-1] if self._statuses else 0
        why = f"the collector answered {status}" if status else "the collector could not be reached"
        return Sent(taken=False, refused=status in _UNREADABLE, why=why)

    def _note(self, response: Any, *_: Any, **__: Any) -> None:
        self._statuses.append(int(response.status_code))


class _Spans:
    """Makes OpenTelemetry's spans of ours, with our ids."""

    def __init__(self, service_name: str) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
        from opentelemetry.sdk.trace.id_generator import IdGenerator
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        outer = self

        class Ids(IdGenerator):
            def generate_trace_id(self) -> int:
                return outer._next.trace_id

            def generate_span_id(self) -> int:
                return outer._next.span_id

        class Keep(SpanProcessor):
            def on_end(self, span: ReadableSpan) -> None:
                outer._ended.append(span)

        resource = Resource({"service.name": service_name, "service.version": __version__}, SCHEMA_URL)
        provider = TracerProvider(
            ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=Ids(), span_limits=SpanLimits()
        )
        provider.add_span_processor(Keep())
        self._tracer = provider.get_tracer("freehold", __version__, schema_url=SCHEMA_URL)
        self._next: SpanData = None  # type: ignore[assignment]
        self._ended: list[ReadableSpan] = []

    def of(self, data: Iterable[SpanData]) -> Sequence[ReadableSpan]:
        """The same spans, as the exporter takes them."""
        from opentelemetry import trace
        from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

        self._ended = []
        for one in data:
            self._next = one
            remote = one.kind == "server"
            above = trace.set_span_in_context(
                NonRecordingSpan(SpanContext(one.trace_id, one.parent_id or 0, remote, TraceFlags(TraceFlags.SAMPLED)))
            )
            span = self._tracer.start_span(
                one.name,
                context=above if one.parent_id else trace.set_span_in_context(trace.INVALID_SPAN),
                kind=SpanKind[one.kind.upper()],
                attributes=one.attributes,
                start_time=one.start_ns,
            )
            if one.error is not None:
                span.set_status(Status(StatusCode.ERROR, one.error))
            span.end(one.end_ns)
        return self._ended


class Teller:
    """Tells a collector of what is recorded in a home.

    Args:
        loaded: settings and home.
        collector: the far side.
        since_us: where there is no cursor yet, calls from then on are told of.

    Raises:
        OSError: the cursor cannot be kept.
    """

    def __init__(self, loaded: Loaded, collector: Collector, since_us: int) -> None:
        from freehold.gateway.restrictions import Restrictions

        self._home, self._collector = loaded.home, collector
        self._content = loaded.settings.telemetry.content
        self._restrictions = Restrictions(loaded) if self._content else None
        self._places = places(loaded.settings)
        self._file = loaded.home / FILE_NAME
        self._cursor = self._kept() or Cursor(since_us)
        self._keep()
        self.told = 0

    def catch_up(self, until: float | None = None) -> Sent:
        """Tell of everything that is recorded by now, at most until that time of the monotonic clock.

        Returns what became of the last batch; after one that was not taken it goes no further.

        Raises:
            LedgerUnavailable: the ledger cannot be read.
            OSError: the cursor cannot be kept.
        """
        sent = Sent(taken=True)
        for batch in follow(self._home, self._cursor, most=_BATCH_CALLS):
            sent = self._collector.send(self._spans(batch.calls))
            if not sent.taken and not sent.refused:
                return sent
            if sent.refused:
                _say(f"{len(batch.calls)} calls are left out of the spans: {sent.why}")
            self.told += len(batch.calls) if sent.taken else 0
            self._cursor = batch.cursor
            self._keep()
            if until is not None and time.monotonic() >= until:
                break
        return sent

    def _spans(self, calls: Iterable[Call]) -> list[SpanData]:
        if self._restrictions is not None:
            self._restrictions.refresh()
        return [span for call in calls for span in spans(call, self._places, content=self._shows(call))]

    def _shows(self, call: Call) -> bool:
        return self._restrictions is not None and not self._restrictions.hold(call)

    def _kept(self) -> Cursor | None:
        try:
            return _CURSOR.decode(self._file.read_bytes())
        except (OSError, msgspec.MsgspecError):
            return None

    def _keep(self) -> None:
        waiting = self._file.with_suffix(".new")
        waiting.write_bytes(msgspec.json.encode(self._cursor))
        waiting.replace(self._file)


def main(home: Path, since_us: int) -> int:
    """Tell of calls until standard input ends, and then of the last ones; returns the exit status."""
    try:
        loaded = settings_module.load({**os.environ, settings_module.HOME_VARIABLE: str(home)})
        telemetry = loaded.settings.telemetry
        variable = telemetry.otlp_headers_env
        if variable and not os.environ.get(variable):
            what = f"the collector's headers: the environment variable {variable} is not set"
            raise MissingPrerequisite(f"missing are {what}", hint=f"export {variable}=NAME=VALUE")
        teller = Teller(loaded, Collector(telemetry, os.environ.get(variable, "")), since_us)
    except FreeholdError as error:
        _say(f"no spans are sent: {error}")
        return error.exit_code
    except OSError as error:
        _say(f"no spans are sent: {error.filename}: {error.strerror}")
        return 1
    wait_s, trouble = LOOK_S, ""
    while not ended(wait_s):
        why = _once(teller)
        if why and why != trouble:
            _say(f"no spans are sent for now: {why}; it is tried again")
        if trouble and not why:
            _say("spans are sent again")
        wait_s, trouble = min(wait_s * 2, _SLOWEST_S) if why else LOOK_S, why
    _once(teller, time.monotonic() + _LAST_S)
    return 0


def _once(teller: Teller, until: float | None = None) -> str:
    """Catch up; why that failed, or ""."""
    try:
        sent = teller.catch_up(until)
    except FreeholdError as error:
        return error.message
    except OSError as error:
        return error.strerror or type(error).__name__
    return "" if sent.taken or sent.refused else sent.why


def _headers(text: str) -> dict[str, str]:
    """`name=value,name=value`, as OTEL_EXPORTER_OTLP_HEADERS holds them."""
    pairs = (part.partition("=") for part in text.split(",") if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _say(line: str) -> None:
    sys.stderr.write(f"freehold: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the gateway; we go after its last calls
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
