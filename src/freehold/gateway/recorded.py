"""A recording that answers like a provider, and a small server around it.

Reads logs in the import format "calls" (one JSON object a line with `request` and `response`). A request is found by
its canonical JSON, without `stream`, `stream_options` and the task's name in `metadata`, and is answered in the dialect
it came in. Equal requests are answered in recorded order, then with the last again; a request without a recording gets
a 404 `recording_missing`. Only offsets are kept in memory. It promises nothing about time: answers come at once unless
latency is asked for. What goes wrong is said by a schedule of faults (`faults`).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from freehold.errors import BadRequest, FreeholdError, RecordingMissing
from freehold.vocabulary import Usage
from freehold.wire.dialects import Dialect
from freehold.wire.known import CHAT

from ._client import Sink
from ._endpoints import endpoint_of
from ._exchange import Exchange, Headers
from ._replay import RECORDED_MS
from ._server import Server
from .faults import Fault, Schedule

TASK_FIELD = "freehold_task"
"""The field of `metadata` by which a caller names a task."""

_EVENT_STREAM = b"text/event-stream; charset=utf-8"
_JSON = b"application/json"
_decoder = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder(order="sorted")


class _Line(msgspec.Struct):
    request: dict[str, Any]
    response: msgspec.Raw
    latency_ms: float = 0.0


_line_decoder = msgspec.json.Decoder(_Line)


class Recorded(NamedTuple):
    """One recorded answer: the response's bytes as they stand in the log, and how long it took then."""

    response: bytes
    latency_ms: float


class Recording:
    """The answers of one log, found by request.

    Args:
        path: a log in the format "calls". Lines that cannot be read are counted in `skipped` and left out.
        any_model: whether a request for another model is the same request, as it is for somebody who stands in.

    Raises:
        OSError: the file cannot be read.
    """

    def __init__(self, path: Path, *, any_model: bool = False) -> None:
        self._any_model = any_model
        self._handle = os.open(path, os.O_RDONLY)
        self._spans: dict[bytes, list[tuple[int, int]]] = {}
        self._played: dict[bytes, int] = {}
        self.models: dict[str, None] = {}
        self.calls = 0
        self.skipped = 0
        with path.open("rb") as lines:
            self._index(lines)

    def answer(self, body: bytes) -> Recorded | None:
        """The next recorded answer to a request body, or None where there is none."""
        try:
            digest = self._digest(_decoder.decode(body))
        except (msgspec.MsgspecError, RecursionError):
            return None
        spans = self._spans.get(digest)
        if spans is None:
            return None
        played = self._played.get(digest, 0)
        if len(spans) > 1:
            self._played[digest] = played + 1
        start, size = spans[min(played, len(spans) - 1)]
        line = _line_decoder.decode(os.pread(self._handle, size, start))
        return Recorded(bytes(line.response), line.latency_ms)

    def close(self) -> None:
        """Close the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _index(self, lines: Any) -> None:
        start = 0
        for line in lines:
            size = len(line)
            try:
                request = _line_decoder.decode(line).request
            except (msgspec.MsgspecError, RecursionError):
                self.skipped += bool(line.strip())
            else:
                self.models.setdefault(str(request.get("model", "")))
                self._spans.setdefault(self._digest(request), []).append((start, size))
                self.calls += 1
            start += size

    def _digest(self, request: dict[str, Any]) -> bytes:
        if self._any_model:
            request.pop("model", None)
        return _digest(request)


def _digest(request: dict[str, Any]) -> bytes:
    request.pop("stream", None)
    request.pop("stream_options", None)
    metadata = request.get("metadata")
    if isinstance(metadata, dict):
        fields = cast("dict[str, Any]", metadata)
        fields.pop(TASK_FIELD, None)
        if not fields:
            del request["metadata"]
    return hashlib.blake2b(_encoder.encode(request), digest_size=16).digest()


class Playback:
    """One request to a recording, under way. Speaks to its sink like a provider across a network would."""

    def __init__(
        self, recording: Recording, path: bytes, body: bytes, sink: Sink, spoken: Dialect = CHAT, latency: float = 0.0
    ) -> None:
        loop = asyncio.get_running_loop()
        status, self._headers, self._data, latency_ms = _play(recording, path, body, spoken)
        self._status = status
        self._sink = sink
        self._waiting = False
        self._paused = False
        self._timer = loop.call_later(latency_ms * latency / 1000.0, self._deliver)

    def cancel(self) -> None:
        """Say nothing more."""
        self._timer.cancel()

    def pause(self) -> None:
        """Wait: the whole answer is one piece, so that there is nothing to hold back once it was given."""
        self._paused = True

    def resume(self) -> None:
        """Go on."""
        self._paused = False
        if self._waiting:
            self._deliver()

    def _deliver(self) -> None:
        if self._paused:
            self._waiting = True
            return
        self._sink.on_head(self._status, self._headers)
        self._sink.on_data(self._data, done=True)


def _play(recording: Recording, path: bytes, body: bytes, spoken: Dialect) -> tuple[int, Headers, bytes, float]:
    if path == b"/models":
        return 200, [(b"content-type", _JSON)], _models(recording), 0.0
    found = recording.answer(body)
    if found is None:
        return _failed(RecordingMissing("the recording holds no answer to this request"), spoken)
    recorded_ms = (RECORDED_MS, b"%.1f" % found.latency_ms)
    try:
        asked = spoken.decode(body)
    except BadRequest as error:
        return _failed(error, spoken)
    if not asked.chat.stream:
        return 200, [(b"content-type", _JSON), recorded_ms], found.response, found.latency_ms
    events = b"".join(spoken.stream_of(found.response, asked))
    return 200, [(b"content-type", _EVENT_STREAM), recorded_ms], events, found.latency_ms


def _models(recording: Recording) -> bytes:
    data = [{"id": model, "object": "model", "created": 0, "owned_by": "recorded"} for model in recording.models]
    return _encoder.encode({"object": "list", "data": data})


def _failed(error: FreeholdError, spoken: Dialect) -> tuple[int, Headers, bytes, float]:
    return error.status, [(b"content-type", _JSON)], spoken.error_envelope(error), 0.0


class _ToExchange:
    """A sink that hands a recorded answer, or half of it, to a client of the server below."""

    def __init__(self, exchange: Exchange, *, cut: bool) -> None:
        self._exchange = exchange
        self._cut = cut
        self._status = 200
        self._lines = b""

    def on_head(self, status: int, headers: Headers) -> None:
        self._status = status
        self._lines = b"".join(b"%b: %b\r\n" % pair for pair in headers)

    def on_data(self, data: bytes, *, done: bool) -> None:
        assert done
        if self._cut:
            self._exchange.start(self._status, self._lines, data[: len(data) // 2])
            self._exchange.abort(b"")
        else:
            self._exchange.respond(self._status, self._lines, data)

    def on_usage(self, usage: Usage) -> None:
        """A recording states its counts in its answers."""

    def on_failed(self, error: FreeholdError) -> None:
        self._exchange.fail(error)


_OUTAGE = b'{"error":{"message":"a rehearsed outage","type":"server_error","param":null,"code":"rehearsed_outage"}}'


async def serve_recording(
    source: Path | Recording,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    latency: float = 0.0,
    faults: Schedule | None = None,
) -> Server:
    """Serve a recording over HTTP, as a provider of its own: what drills and tests point a gateway at.

    Args:
        source: a log in the format "calls", or its recording, which several servers may share.
        host: where to listen.
        port: 0 for any free port.
        latency: share of the recorded latency to wait before answering; 0 answers at once.
        faults: what goes wrong, asked for every request; None: nothing.

    Raises:
        OSError: the file cannot be read, or the port is taken.
    """
    recording = Recording(source) if isinstance(source, Path) else source

    def handle(exchange: Exchange) -> None:
        fault = faults.now() if faults is not None else None
        if fault is not None and fault != "cut":
            _fail(exchange, fault)
            return
        endpoint = endpoint_of(exchange)
        spoken = endpoint.dialect if endpoint is not None else CHAT
        path = exchange.path.removeprefix(b"/v1")
        sink = _ToExchange(exchange, cut=fault == "cut")
        playback = Playback(recording, path, exchange.body, sink, spoken, latency)
        exchange.on_gone = playback.cancel

    server = Server(handle, max_body_bytes=64 * 1024 * 1024, stall_s=60.0)
    await server.start(host, port)
    return server


def _fail(exchange: Exchange, fault: Fault) -> None:
    """Do to a request what its fault says; one that stalls is left without an answer until its client leaves."""
    if fault == "drop":
        exchange.start(200, b"content-type: application/json\r\n", b"")
        exchange.abort(b"")
    elif fault != "stall":
        exchange.respond(int(fault), b"content-type: application/json\r\n", _OUTAGE)
