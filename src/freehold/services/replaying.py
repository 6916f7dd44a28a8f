"""Sending a log's requests to a gateway again: to rehearse, to load, and to run the demo."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import http.client
import math
import re
import threading
import time
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit

import msgspec

from freehold.errors import BadLog, NotFound, UpstreamFailed, UsageError
from freehold.ledger.importing import started_at_us
from freehold.vocabulary import END_USER_TAG, FEATURE_TAG, SESSION_TAG, TEAM_TAG, TRACE_TAG
from freehold.wire.known import CHAT, MESSAGES, PATHS

CONCURRENCY = 16
STARTED_AT_HEADER = "x-freehold-started-at"
"""Tells a gateway that trusts it (`gateway.trust_replay_times`) when the call was really made."""

_HEADERS = {
    END_USER_TAG: "x-freehold-end-user",
    SESSION_TAG: "x-freehold-session",
    TEAM_TAG: "x-freehold-team",
    FEATURE_TAG: "x-freehold-feature",
}
_MOST_CHARS = 256  # what a gateway keeps of a name
_W3C = re.compile("00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_TIMEOUT_S = 300.0
_ANTHROPIC_VERSION = "2023-06-01"


class _Line(msgspec.Struct):
    id: str
    started_at: datetime | int | float
    request: msgspec.Raw
    dialect: str | None = None
    tags: dict[str, str] | None = None
    started_at_us: int = 0


class Answered(msgspec.Struct, frozen=True):
    """One replayed call: its id in the log, the status, who served it, its id at the gateway, and how long it took."""

    id: str
    status: int
    served_by: str
    task: str
    call_id: str
    latency_ms: float
    body: bytes


class ReplayReport(msgspec.Struct, frozen=True):
    """What a replay came to: calls by status and by whose model answered, and latency in milliseconds."""

    sent: int
    by_status: dict[str, int]
    served_by: dict[str, int]
    seconds: float
    latency_p50_ms: float
    latency_p99_ms: float
    without_request: int = 0
    """Calls of the log that hold no request: there is nothing to send."""

    def in_words(self) -> str:
        """The report for a person."""
        statuses = ", ".join(f"{n:,} x {status}" for status, n in sorted(self.by_status.items()))
        served = ", ".join(f"{n:,} {who}" for who, n in sorted(self.served_by.items())) or "none"
        return (
            f"{self.sent:,} calls in {self.seconds:.1f} s: {statuses}. Answered by: {served}. "
            f"Latency {self.latency_p50_ms:.1f} ms in the middle, {self.latency_p99_ms:.1f} ms at the 99th percentile."
            + (f" {self.without_request:,} calls hold no request, and were left out." if self.without_request else "")
        )


def replay(
    log: Path,
    to: str,
    *,
    rate: float = 0.0,
    speed: float = 0.0,
    each: Callable[[Answered], None] | None = None,
) -> ReplayReport:
    """Send every request of a log to the path of its dialect, in its order, at most sixteen at a time.

    Args:
        log: a log in the format "calls".
        to: the gateway's address.
        rate: calls per second; 0 for as fast as they are answered.
        speed: keep the log's own rhythm, this many times faster; 0 for not.
        each: told of every answer, from several threads, never two at once.

    Raises:
        NotFound: there is no such file.
        BadLog: a line cannot be read; everything before it was sent.
        UpstreamFailed: nothing listens there.
        UsageError: the address is none, or rate and speed make no sense.
    """
    sender = _Sender(_address(to), each)
    if not all(math.isfinite(value) and value >= 0 for value in (rate, speed)):
        raise UsageError("a rate or a speed is a positive number", hint="leave it out for as fast as they are answered")
    if rate and speed:
        raise UsageError("a rate and a speed contradict each other", hint="give --rate or --speed")
    if not log.is_file():
        raise NotFound(f"there is no file {log}", hint="freehold replay --help")
    began = time.monotonic()
    slots = threading.Semaphore(CONCURRENCY * 4)
    with closing(sender), ThreadPoolExecutor(CONCURRENCY) as pool:
        pending: deque[Future[None]] = deque()
        for due_s, line in _paced(sender.askable(_lines(log)), rate, speed):
            time.sleep(max(0.0, began + due_s - time.monotonic()))
            slots.acquire()
            future = pool.submit(sender.send, line)
            future.add_done_callback(lambda _: slots.release())
            pending.append(future)
            while pending and pending[0].done():
                pending.popleft().result()
        for future in pending:
            future.result()
    return sender.report(time.monotonic() - began)


def _address(to: str) -> SplitResult:
    try:
        parts = urlsplit(to)
        port = parts.port
    except ValueError:  # a port out of range, a bracket left open
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise UsageError(f"{to!r} is no address of a gateway", hint="--to http://127.0.0.1:8080")
    return parts


def _lines(log: Path) -> Iterator[_Line]:
    decode = msgspec.json.Decoder(_Line).decode
    number = 0
    try:
        with log.open("rb") as plain:
            zipped = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            file = gzip.GzipFile(fileobj=plain) if zipped else plain
            for number, line in enumerate(file, 1):
                text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                if text.strip():
                    read = decode(text)
                    read.started_at_us = started_at_us(read.started_at)
                    yield read
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise BadLog(f"{log.name}: the compressed file is damaged or ends early", hint="see docs/wire.md") from None
    except ValueError as error:  # of the decoder, of its UTF-8, or a time that is none; none of them quotes content
        raise BadLog(f"{log.name}, line {number}: {error}", hint="see docs/wire.md") from None


def _paced(lines: Iterable[_Line], rate: float, speed: float) -> Iterator[tuple[float, _Line]]:
    """Each line with the seconds after the beginning at which it is due."""
    first_us: int | None = None
    for number, line in enumerate(lines):
        due_s = number / rate if rate else 0.0
        if speed:
            first_us = line.started_at_us if first_us is None else first_us
            due_s = (line.started_at_us - first_us) / 1e6 / speed
        yield due_s, line


def _said(line: _Line) -> dict[str, str]:
    """For whom the call was made, as headers: runs and their features are at the gateway what they were in the log."""
    tags = line.tags or {}
    found = {header: quote(tags[tag][:_MOST_CHARS], safe="") for tag, header in _HEADERS.items() if tags.get(tag)}
    trace = tags.get(TRACE_TAG, "")
    if trace and not _W3C.fullmatch(trace):  # another system's name of it
        trace = f"00-{_hex(trace, 32)}-{_hex(line.id, 16)}-01"
    return found | ({"traceparent": trace} if trace else {})


def _hex(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:digits]


class _Sender:
    """Sends calls from several threads, a kept-alive connection each, and counts what came back."""

    def __init__(self, parts: SplitResult, each: Callable[[Answered], None] | None) -> None:
        self._address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        self._make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._base = parts.path.rstrip("/").removesuffix("/v1")
        self._each = each
        self._own = threading.local()
        self._opened: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._statuses: Counter[str] = Counter()
        self._served: Counter[str] = Counter()
        self._latencies_ms: list[float] = []
        self._bodiless = 0

    def askable(self, lines: Iterable[_Line]) -> Iterator[_Line]:
        """Those that hold a request; the others are counted."""
        for line in lines:
            if bytes(line.request) == b"null":
                self._bodiless += 1
            else:
                yield line

    def send(self, line: _Line) -> None:
        began = time.monotonic()
        try:
            response, body = self._exchange(line)
        except (OSError, http.client.HTTPException) as error:
            raise UpstreamFailed(
                f"no answer from {self._address[0]}:{self._address[1]}: {type(error).__name__}", hint="freehold up"
            ) from None
        answered = Answered(
            line.id,
            response.status,
            response.headers.get("x-freehold-served-by", ""),
            response.headers.get("x-freehold-task", ""),
            response.headers.get("x-freehold-call-id", ""),
            1e3 * (time.monotonic() - began),
            body,
        )
        with self._lock:
            self._statuses[str(answered.status)] += 1
            if answered.served_by:
                self._served[answered.served_by] += 1
            self._latencies_ms.append(answered.latency_ms)
            if self._each is not None:
                self._each(answered)

    def _exchange(self, line: _Line) -> tuple[http.client.HTTPResponse, bytes]:
        connection: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._make(*self._address, timeout=_TIMEOUT_S)
            self._opened.append(connection)
        started_at = datetime.fromtimestamp(line.started_at_us / 1e6, UTC).isoformat()
        headers = {"content-type": "application/json", STARTED_AT_HEADER: started_at}
        headers |= _said(line)
        if line.dialect == MESSAGES.name:
            headers["anthropic-version"] = _ANTHROPIC_VERSION
        path = self._base + PATHS.get(line.dialect or CHAT.name, PATHS[CHAT.name])
        try:
            connection.request("POST", path, bytes(line.request), headers)
            response = connection.getresponse()
            return response, response.read()
        except BaseException:
            connection.close()
            self._own.connection = None
            raise

    def close(self) -> None:
        """Close every connection."""
        for connection in self._opened:
            connection.close()

    def report(self, seconds: float) -> ReplayReport:
        ordered = sorted(self._latencies_ms) or [0.0]
        return ReplayReport(
            sent=len(self._latencies_ms),
            by_status=dict(self._statuses),
            served_by=dict(self._served),
            seconds=seconds,
            latency_p50_ms=ordered[len(ordered) // 2],
            latency_p99_ms=ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))],
            without_request=self._bodiless,
        )
