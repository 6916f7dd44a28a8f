"""One answer, rented: tries, retries before the first byte, falls back, and tells complete answers from broken ones.

Knows nothing of clients or owned models; whoever wants the answer is its audience.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from freehold.errors import FreeholdError, UpstreamFailed
from freehold.vocabulary import Leg, Outcome, Purpose, Usage
from freehold.wire.dialects import Assembler, Dialect
from freehold.wire.streams import BLANKS, before_end

from ._client import ConnectFailed, Handle
from ._egress import Outgoing, send
from ._server import Headers
from ._targets import Target

_MAX_UNPACKED = 64 * 1024 * 1024
_EDGE = 64  # longer than any dialect's mark of a complete stream


class _Named(msgspec.Struct):
    model: str = ""


_named_decoder = msgspec.json.Decoder(_Named)


class Rented(NamedTuple):
    """What a rental came to.

    `model` is the name by which the provider was asked, "" where that was the request's own. `error` is set where there
    is no answer to pass on; else `status`, `headers` and `body` are the provider's own.
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
    model: str = ""
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
    """How to rent: how often to try, how much to keep in memory."""

    retries: int
    max_body_bytes: int
    clock: Callable[[], float]
    tally: Callable[[str, str, str], None]


class Rental:
    """Rents one answer. Create it, `start` it with who may be asked; `cancel` gives it up at once."""

    __slots__ = ("_assembler", "_at", "_audience", "_began", "_body", "_body_bytes", "_dialect", "_handle", "_headers",
                 "_model", "_outgoing", "_passed", "_purpose", "_retries", "_started", "_stated", "_status", "_stream",
                 "_streaming_began", "_targets", "_terms", "_ttft_ms", "legs")  # fmt: skip

    def __init__(
        self, terms: Terms, dialect: Dialect, outgoing: Outgoing, audience: Audience, purpose: Purpose, model: str
    ) -> None:
        self._terms = terms
        self._dialect = dialect
        self._outgoing = outgoing
        self._audience = audience
        self._purpose: Purpose = purpose
        self._model = model
        self._began = self._started = terms.clock()
        self._targets: Sequence[Target] = ()
        self._at = 0
        self._handle: Handle | None = None
        self._retries = terms.retries
        self._stated: Usage | None = None
        self._status = 0
        self._headers: Headers = []
        self._stream = self._streaming_began = False
        self._assembler: Assembler | None = None
        self._passed = b""
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._ttft_ms: float | None = None
        self.legs: list[Leg] = []

    def start(self, targets: Sequence[Target], began: float) -> None:
        """Ask the first of `targets`, the others where it fails. `began` is when the call came: legs count from it."""
        self._targets = targets
        self._began = began
        self._ask()

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
                self._assembler = self._dialect.assembler()

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
            if done or (self._ends(data) and self._assembler.broken):
                self._stream_over(data, ended=done)
            elif data:
                self._audience.streaming(self._headers, data, first=not self._streaming_began)
                self._streaming_began = True
                self._passed = (self._passed + data[-_EDGE:])[-_EDGE:]
            return
        self._body.append(data)
        self._body_bytes += len(data)
        if self._body_bytes > self._terms.max_body_bytes:
            if self._handle is not None:
                self._handle.cancel()
            self._over(UpstreamFailed(f"{self._name} sent an answer that is too long"))
        elif done:
            self._whole(b"".join(self._body))

    def on_usage(self, usage: Usage) -> None:
        """Counts that the client did not ask to see."""
        self._stated = usage

    def on_failed(self, error: FreeholdError) -> None:
        """No (further) answer will come."""
        if self._assembler is not None and self._streaming_began:
            self._broken(error, self._passable(b""))
            return
        self._over(error)

    @property
    def _name(self) -> str:
        return self._targets[self._at].provider.name if self._targets else ""

    def _ask(self) -> None:
        target = self._targets[self._at]
        self._started = self._terms.clock()
        self._status, self._headers, self._ttft_ms, self._stated = 0, [], None, None
        self._assembler, self._passed, self._body, self._body_bytes = None, b"", [], 0
        # The client's own key belongs to the provider it addressed, and goes to no other.
        trusted = self._outgoing.trusted and target.provider is self._targets[0].provider
        outgoing = self._outgoing._replace(model=target.model, trusted=trusted)
        try:
            self._handle = send(target.provider, outgoing, self)
        except FreeholdError as error:
            self._over(error)

    def _whole(self, body: bytes) -> None:
        """An answer that was not streamed."""
        if self._status == 200:
            readable = _unpacked(body, self._headers)
            answer = self._dialect.read(readable)
            if answer is not None:
                self._leg("ok", usage=answer.usage, model=answer.model)
                self._tell(self._answer("ok", readable, answer.usage), body)
                return
            if not readable.lstrip().startswith(b"{"):
                self._over(UpstreamFailed(f"{self._name} sent an answer that is no JSON"))
                return
            error = f"the answer is none of {self._dialect.name}"
        else:
            error = f"status {self._status}"
        self._leg("error", error=error)
        body = self._discreet(body)
        if (self._status == 429 or self._status >= 500) and self._next():
            return
        self._tell(self._answer("error", body, None), body)

    def _discreet(self, body: bytes) -> bytes:
        """A failure told by the provider, in its headers too, without the key that we asked with."""
        discreet = self._targets[self._at].provider.discreet
        self._headers = [(name, discreet(value)) for name, value in self._headers]
        return discreet(body)

    def _answer(self, outcome: Outcome, body: bytes, usage: Usage | None) -> Rented:
        return Rented(outcome, self._name, self._status, self._headers, body, usage, self._ttft_ms, streamed=False)

    def _stream_over(self, tail: bytes, *, ended: bool) -> None:
        """A stream that ended by itself, complete or cut, or that says it is complete and is not."""
        assert self._assembler is not None
        if not ended and self._handle is not None:
            self._handle.cancel()
        came = self._assembler.finish()
        if came.fault:
            if not self._streaming_began and (self._has_next or not tail):
                self._over(UpstreamFailed(f"{self._name}: {came.fault}"))
            else:
                tail = tail if came.error_sent else self._passable(tail)
                self._broken(UpstreamFailed(f"{self._name}: {came.fault}"), tail)
            return
        usage = came.usage or self._stated
        self._leg("ok", usage=usage, model=_model_of(came.body))
        result = Rented("ok", self._name, 200, self._headers, came.body, usage, self._ttft_ms, streamed=True)
        self._tell(result, tail)

    def _ends(self, data: bytes) -> bool:
        """Whether the mark of a complete stream is in the bytes, or began in those before and ends in them."""
        mark = self._dialect.end_mark
        return mark in data or mark in self._passed + data[: len(mark)]

    def _passable(self, tail: bytes) -> bytes:
        """What of a broken stream's last bytes may go to its reader, so that an error event can follow.

        Nothing of the event that would say that the stream is complete, and the end of one that was cut, or the error
        would be read as its last line.
        """
        sent = len(self._passed)
        kept = before_end(self._passed + tail, self._dialect.end_mark)[sent:]
        written = self._passed + kept
        return kept if not written or written.endswith(BLANKS) else kept + b"\n\n"

    def _broken(self, error: FreeholdError, tail: bytes) -> None:
        """A stream that cannot be taken back: its reader has begun to get it."""
        assert self._assembler is not None
        came = self._assembler.finish()
        usage = came.usage or self._stated or Usage(output_tokens=(came.text_chars + 3) // 4, estimated=True)
        self._leg("incomplete", usage=usage, model=_model_of(came.body), error=error.message)
        result = Rented(
            "incomplete", self._name, 200, self._headers, came.body, usage, self._ttft_ms, streamed=True, error=error,
            told=came.error_sent,
        )  # fmt: skip
        self._tell(result, tail)

    def _over(self, error: FreeholdError) -> None:
        """A try that failed before its reader got a byte: again, elsewhere, or not at all."""
        self._handle = None
        self._leg("error" if error.status >= 500 else "refused", error=error.message)
        if isinstance(error, ConnectFailed) and self._retries > 0:
            self._retries -= 1
            self._ask()
            return
        if isinstance(error, UpstreamFailed) and self._next():
            return
        outcome: Outcome = "error" if error.status >= 500 else "refused"
        result = Rented(outcome, self._name, error.status, [], b"", None, self._ttft_ms, streamed=False, error=error)
        self._tell(result, b"")

    @property
    def _has_next(self) -> bool:
        return self._at + 1 < len(self._targets)

    def _next(self) -> bool:
        """Ask the next in line; False where this was the last."""
        if not self._has_next:
            return False
        self._at += 1
        if self._purpose in {"serve", "escalate"}:
            self._purpose = "fallback"
        self._retries = self._terms.retries
        self._ask()
        return True

    def _tell(self, result: Rented, tail: bytes) -> None:
        self._handle = None
        self._audience.rented(result._replace(model=self._targets[self._at].model), tail)

    def _leg(self, outcome: Outcome, *, usage: Usage | None = None, model: str = "", error: str = "") -> None:
        self._terms.tally(self._name, self._purpose, outcome)
        self.legs.append(
            Leg(
                purpose=self._purpose,
                owner="rented",
                provider=self._name,
                model=model or self._targets[self._at].model or self._model,
                outcome=outcome,
                status=self._status,
                offset_ms=(self._started - self._began) * 1000.0,
                latency_ms=(self._terms.clock() - self._started) * 1000.0,
                ttft_ms=self._ttft_ms,
                usage=usage,
                error=error,
            )
        )


def _model_of(body: bytes) -> str:
    """The model that an assembled answer names, "" where it names none."""
    try:
        return _named_decoder.decode(body).model
    except msgspec.MsgspecError:
        return ""


def _unpacked(body: bytes, headers: Headers) -> bytes:
    """The body as text, for the record, where a provider compressed it although it was asked not to."""
    if not any(name == b"content-encoding" and value.lower() in {b"gzip", b"deflate"} for name, value in headers):
        return body
    unpacker = zlib.decompressobj(47)
    try:
        text = unpacker.decompress(body, _MAX_UNPACKED)
    except zlib.error:
        return b""
    return text if unpacker.eof else b""  # cut, or a bomb
