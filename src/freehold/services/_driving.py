"""Clients of a rehearsal: calls sent at their times, each answer judged as a client sees it, whatever goes wrong."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import SplitResult, quote

from freehold.errors import BadRequest
from freehold.vocabulary import Call
from freehold.wire.known import dialect

WORKERS = 64
"""Calls under way at once; more wait, as clients with a bounded pool do."""

_PATHS = {
    "openai.chat": "/v1/chat/completions",
    "openai.responses": "/v1/responses",
    "openai.completions": "/v1/completions",
    "openai.embeddings": "/v1/embeddings",
    "anthropic.messages": "/v1/messages",
}


class Heard(NamedTuple):
    """What a client heard of one call.

    `status` 0: nothing at all. `complete`: the answer is whole and of its dialect; `text` is then its canonical form.
    `at_s` is when it was sent, in seconds since the beginning.
    """

    call: Call
    at_s: float
    status: int
    complete: bool
    call_id: str
    served_by: str
    latency_ms: float
    text: str | None


def drive(to: SplitResult, calls: Iterable[tuple[float, Call]], *, timeout_s: float) -> list[Heard]:
    """Send every call when it is due (seconds from now) and wait for all answers.

    Nothing is tried again: what the gateway does not mend, its client sees. A client waits `timeout_s` between two
    reads and then gives up.
    """
    client = _Client(to, timeout_s)
    began = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        pending = []
        for due_s, call in calls:
            time.sleep(max(0.0, began + due_s - time.monotonic()))
            pending.append(pool.submit(client.ask, call, began))
        heard = [one.result() for one in pending]
    client.close()
    return heard


class _Client:
    def __init__(self, to: SplitResult, timeout_s: float) -> None:
        self._host, self._tls = to.hostname or "", to.scheme == "https"
        self._port = to.port or (443 if self._tls else 80)
        self._base = to.path.rstrip("/").removesuffix("/v1")
        self._timeout_s = timeout_s
        self._own = threading.local()
        self._opened: list[http.client.HTTPConnection] = []

    def ask(self, call: Call, began: float) -> Heard:
        at = time.monotonic()
        status, headers, body = self._exchange(call)
        complete, text = _read(call, body) if status == 200 else (False, None)
        return Heard(
            call,
            at - began,
            status,
            complete,
            headers.get("x-freehold-call-id", ""),
            headers.get("x-freehold-served-by", ""),
            1e3 * (time.monotonic() - at),
            text,
        )

    def close(self) -> None:
        for connection in self._opened:
            connection.close()

    def _exchange(self, call: Call) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and as much of the body as came; a kept connection that had ended is opened once more."""
        for kept in (True, False):
            connection = self._connection()
            try:
                connection.request("POST", self._base + _PATHS.get(call.dialect, ""), call.request, _headers(call))
                response = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                if kept and isinstance(error, http.client.RemoteDisconnected | ConnectionError):
                    continue
                return 0, {}, b""
            headers = {name.lower(): value for name, value in response.getheaders()}
            try:
                return response.status, headers, response.read()
            except http.client.IncompleteRead as error:
                self._drop()
                return response.status, headers, error.partial
            except (OSError, http.client.HTTPException):
                self._drop()
                return response.status, headers, b""
        return 0, {}, b""

    def _connection(self) -> http.client.HTTPConnection:
        found: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if found is None:
            make = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
            found = self._own.connection = make(self._host, self._port, timeout=self._timeout_s)
            self._opened.append(found)
        return found

    def _drop(self) -> None:
        found: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if found is not None:
            found.close()
            self._own.connection = None


def _headers(call: Call) -> dict[str, str]:
    headers = {"content-type": "application/json"}
    if call.task:
        headers["x-freehold-task"] = quote(call.task)
    if call.dialect == "anthropic.messages":
        headers["anthropic-version"] = "2023-06-01"
    return headers


def _read(call: Call, body: bytes) -> tuple[bool, str | None]:
    """Whether a client takes an answer for whole, and its canonical text."""
    spoken = dialect(call.dialect)
    streamed = False
    with suppress(BadRequest):
        streamed = bool(spoken.decode(call.request).chat.stream)
    if streamed:
        assembler = spoken.assembler()
        assembler.feed(body)
        came = assembler.finish()
        return not came.fault, spoken.answer_text(came.body) if not came.fault else None
    whole = spoken.read(body) is not None
    return whole, spoken.answer_text(body) if whole else None
