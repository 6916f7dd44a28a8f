"""One answer, rented: tries, retries before the first byte, falls back, and tells complete answers from broken ones.

Knows nothing of clients or owned models; whoever wants the answer is its audience.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from freehold.errors import FreeholdError, UpstreamFailed
from freehold.vocabulary import Leg, Outcome, Purpose, Usage
from freehold.wire.openai import StreamAssembler, decode_response

from ._client import ConnectFailed, Handle
from ._egress import Outgoing, Provider, send
from ._server import Headers

_MAX_UNPACKED = 64 * 1024 * 1024


class Rented(NamedTuple):
    """What a rental came to.

    `error` is set where there is no answer to pass on; else `status`, `headers` and `body` are the provider's own.
    `streamed`: the body is assembled from a stream, and what the client is owed was given to `streaming`. `told`: the
    provider said in the stream that it failed.
    """

    outcome: Outcome
    provider: str
    status: int
    headers: Headers
    body: bytes
    usage: Usage | None
    ttft_ms: float | None
    streamed: bool
    error: FreeholdError | None = None
    told: bool = False


class Audience(Protocol):
    """Who wants the answer."""

    def streaming(self, headers: Headers, data: bytes, *, first: bool) -> None:
        """More of a streamed answer."""
        ...

    def rented(self, result: Rented, tail: bytes) -> None:
        """The rental is over. `tail` are the last bytes of a streamed answer, not yet given to `streaming`."""
        ...

    def crashed(self, fault: Exception) -> None:
        """A fault of our own ended the rental; it may have happened before or after `rented`."""
        ...


class Terms(NamedTuple):
    """How to rent: from whom, how often to try, how much to keep in memory."""

    providers: Mapping[str, Provider]
    retries: int
    max_body_bytes: int
    clock: Callable[[], float]
    tally: Callable[[str, str, str], None]


class Rental:
    """Rents one answer. Create it, `start` it with a provider; `cancel` gives it up at once."""

    __slots__ = ("_assembler", "_audience", "_began", "_body", "_body_bytes", "_handle", "_headers", "_model",
                 "_outgoing", "_provider", "_purpose", "_retries", "_started", "_status", "_stream", "_streaming_began",
                 "_terms", "_tried", "_ttft_ms", "legs")  # fmt: skip

    def __init__(self, terms: Terms, outgoing: Outgoing, audience: Audience, purpose: Purpose, model: str) -> None:
        self._terms = terms
        self._outgoing = outgoing
        self._audience = audience
        self._purpose: Purpose = purpose
        self._model = model
        self._began = self._started = terms.clock()
        self._provider: Provider | None = None
        self._handle: Handle | None = None
        self._retries = terms.retries
        self._tried: set[str] = set()
        self._status = 0
        self._headers: Headers = []
        self._stream = self._streaming_began = False
        self._assembler: StreamAssembler | None = None
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._ttft_ms: float | None = None
        self.legs: list[Leg] = []

    def start(self, provider: Provider, began: float) -> None:
        """Ask a provider. `began` is when the call came, so that legs say when in it they began."""
        self._began = began
        self._ask(provider)

    def cancel(self) -> Usage | None:
        """Give it up; returns what can be told of its cost (nothing where no provider had begun)."""
        if self._handle is None:
            return None
        self._handle.cancel()
        self._handle = None
        received = self._assembler.finish().text_chars if self._assembler is not None else 0
        usage = Usage(output_tokens=(received + 3) // 4, estimated=True)
        self._leg("cancelled", usage=usage, error="the client left")
        return usage

    def pause(self) -> None:
        """The reader is slow: read no further."""
        if self._handle is not None:
            self._handle.pause()

    def resume(self) -> None:
        """Read on."""
        if self._handle is not None:
            self._handle.resume()

    # Sink

    def on_head(self, status: int, headers: Headers) -> None:
        """Status and headers of the answer."""
        self._status, self._headers = status, headers
        if status == 200:
            kind = next((value for name, value in headers if name == b"content-type"), b"")
            self._stream = kind.lower().startswith(b"text/event-stream")
            if self._stream:
                self._assembler = StreamAssembler()

    def on_data(self, data: bytes, *, done: bool) -> None:
        """More of its body. A fault of ours ends this call, and no other."""
        try:
            self._take(data, done=done)
        except Exception as fault:  # noqa: BLE001 -- raised further, it would leave the client waiting for ever
            if self._handle is not None:
                self._handle.cancel()
                self._handle = None
            self._audience.crashed(fault)

    def _take(self, data: bytes, *, done: bool) -> None:
        if self._ttft_ms is None and data:
            self._ttft_ms = (self._terms.clock() - self._started) * 1000.0
        if self._assembler is not None:
            if data:
                self._assembler.feed(data)
            if done or (b"[DONE]" in data and self._assembler.broken):
                self._stream_over(data, ended=done)
            elif data:
                self._audience.streaming(self._headers, data, first=not self._streaming_began)
                self._streaming_began = True
            return
        self._body.append(data)
        self._body_bytes += len(data)
        if self._body_bytes > self._terms.max_body_bytes:
            if self._handle is not None:
                self._handle.cancel()
            self._over(UpstreamFailed(f"{self._name} sent an answer that is too long"))
        elif done:
            self._whole(b"".join(self._body))

    def on_failed(self, error: FreeholdError) -> None:
        """No (further) answer will come."""
        if self._assembler is not None and self._streaming_began:
            # An event that was cut must end, or the error after it would be read as its last line.
            self._broken(error, b"\n\n" if self._assembler.in_event else b"")
            return
        self._over(error)

    @property
    def _name(self) -> str:
        return self._provider.name if self._provider is not None else ""

    def _ask(self, provider: Provider) -> None:
        self._provider = provider
        self._tried.add(provider.name)
        self._started = self._terms.clock()
        self._status, self._headers, self._ttft_ms = 0, [], None
        self._assembler, self._body, self._body_bytes = None, [], 0
        try:
            self._handle = send(provider, self._outgoing, self)
        except FreeholdError as error:
            self._over(error)

    def _whole(self, body: bytes) -> None:
        """An answer that was not streamed."""
        if self._status == 200:
            readable = _unpacked(body, self._headers)
            response = decode_response(readable)
            if self._outgoing.method == b"GET" and readable.lstrip().startswith(b"{"):
                self._leg("ok")
                self._tell(
                    Rented("ok", self._name, 200, self._headers, body, None, self._ttft_ms, streamed=False), body
                )
                return
            if response is not None and response.choices:
                usage = response.usage.counts() if response.usage is not None else None
                self._leg("ok", usage=usage, model=response.model)
                self._tell(
                    Rented("ok", self._name, 200, self._headers, readable, usage, self._ttft_ms, streamed=False), body
                )
                return
            if not readable.lstrip().startswith(b"{"):
                self._over(UpstreamFailed(f"{self._name} sent an answer that is no JSON"))
                return
            error = "the answer is no chat completion"
        else:
            error = f"status {self._status}"
        fallback = self._fallback() if self._status == 429 or self._status >= 500 else None
        self._leg("error", error=error)
        if fallback is not None:
            self._fall_back(fallback)
            return
        result = Rented("error", self._name, self._status, self._headers, body, None, self._ttft_ms, streamed=False)
        self._tell(result, body)

    def _stream_over(self, tail: bytes, *, ended: bool) -> None:
        """A stream that ended by itself, complete or cut, or that says it is complete and is not."""
        assert self._assembler is not None
        if not ended and self._handle is not None:
            self._handle.cancel()
        in_event = self._assembler.in_event
        came = self._assembler.finish()
        if came.fault:
            if not self._streaming_began and (self._fallback() is not None or not tail):
                self._over(UpstreamFailed(f"{self._name}: {came.fault}"))
            else:
                if not came.error_sent:
                    tail = _without_done(tail) + (b"\n\n" if in_event else b"")
                self._broken(UpstreamFailed(f"{self._name}: {came.fault}"), tail)
            return
        self._leg("ok", usage=came.usage)
        result = Rented("ok", self._name, 200, self._headers, came.body, came.usage, self._ttft_ms, streamed=True)
        self._tell(result, tail)

    def _broken(self, error: FreeholdError, tail: bytes) -> None:
        """A stream that cannot be taken back: its reader has begun to get it."""
        assert self._assembler is not None
        came = self._assembler.finish()
        usage = came.usage or Usage(output_tokens=(came.text_chars + 3) // 4, estimated=True)
        self._leg("incomplete", usage=usage, error=error.message)
        result = Rented(
            "incomplete", self._name, 200, self._headers, came.body, usage, self._ttft_ms, streamed=True, error=error,
            told=came.error_sent,
        )  # fmt: skip
        self._tell(result, tail)

    def _over(self, error: FreeholdError) -> None:
        """A try that failed before its reader got a byte: again, elsewhere, or not at all."""
        self._handle = None
        self._leg("error" if error.status >= 500 else "refused", error=error.message)
        assert self._provider is not None
        if isinstance(error, ConnectFailed) and self._retries > 0:
            self._retries -= 1
            self._ask(self._provider)
            return
        fallback = self._fallback() if isinstance(error, UpstreamFailed) else None
        if fallback is not None:
            self._fall_back(fallback)
            return
        outcome: Outcome = "error" if error.status >= 500 else "refused"
        result = Rented(outcome, self._name, error.status, [], b"", None, self._ttft_ms, streamed=False, error=error)
        self._tell(result, b"")

    def _fallback(self) -> Provider | None:
        name = self._provider.fallback if self._provider is not None else ""
        return None if name in self._tried else self._terms.providers.get(name)

    def _fall_back(self, provider: Provider) -> None:
        # The client's own key belongs to the provider it addressed, and goes to no other.
        self._outgoing = self._outgoing._replace(trusted=False)
        if self._purpose in {"serve", "escalate"}:
            self._purpose = "fallback"
        self._retries = self._terms.retries
        self._ask(provider)

    def _tell(self, result: Rented, tail: bytes) -> None:
        self._handle = None
        self._audience.rented(result, tail)

    def _leg(self, outcome: Outcome, *, usage: Usage | None = None, model: str = "", error: str = "") -> None:
        self._terms.tally(self._name, self._purpose, outcome)
        self.legs.append(
            Leg(
                purpose=self._purpose,
                owner="rented",
                provider=self._name,
                model=model or self._model,
                outcome=outcome,
                status=self._status,
                offset_ms=(self._started - self._began) * 1000.0,
                latency_ms=(self._terms.clock() - self._started) * 1000.0,
                ttft_ms=self._ttft_ms,
                usage=usage,
                error=error,
            )
        )


def _without_done(tail: bytes) -> bytes:
    """The bytes up to the event that would say that the stream is complete."""
    done = tail.rfind(b"[DONE]")
    return tail if done < 0 else tail[: tail.rfind(b"\n", 0, done) + 1]


def _unpacked(body: bytes, headers: Headers) -> bytes:
    """The body as text, for the record, where a provider compressed it although it was asked not to."""
    if not any(name == b"content-encoding" and value.lower() in {b"gzip", b"deflate"} for name, value in headers):
        return body
    try:
        return zlib.decompressobj(47).decompress(body, _MAX_UNPACKED)
    except zlib.error:
        return b""
