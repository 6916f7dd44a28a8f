"""One try at a rented answer: takes what a provider sends, tells complete answers from broken ones, and judges it.

Knows nothing of clients, owned models or other tries; the rental decides what comes next.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from typing import Protocol

import msgspec

from freehold.errors import AnswerUntranslatable, DeadlineExceeded, FreeholdError, UpstreamFailed, UpstreamTimeout
from freehold.vocabulary import Leg, Outcome, Purpose, Usage
from freehold.wire.dialects import Assembled, Assembler, Dialect
from freehold.wire.streams import BLANKS, before_end
from freehold.wire.translation import streamed_status

from ._client import ConnectFailed, Handle
from ._egress import Outgoing, carries_clients_key, send
from ._exchange import Headers, by_name
from ._targets import Target
from .resilience.deadlines import Deadlines
from .resilience.health import Permit
from .resilience.judgement import BROKEN, HURRIED, OK, PAID, REFUSED, SLOW, UNREACHABLE, Judgement, judge

_MAX_UNPACKED = 64 * 1024 * 1024
_UNPACKED = frozenset({b"gzip", b"deflate"})
_ODD = Judgement("failed", elsewhere=True)
_CHARS_PER_TOKEN = 4
_EDGE = 64  # longer than any dialect's mark of a complete stream


class _Named(msgspec.Struct):
    model: str = ""


_named_decoder = msgspec.json.Decoder(_Named)


class Rented(msgspec.Struct, frozen=True):
    """What a rental came to.

    `model` is the name by which the provider was asked, "" where that was the request's own. `error` is set where there
    is no answer to pass on; else `status`, `headers` and `body` are the provider's own. `streamed`: the body is
    assembled from a stream, and what the client is owed was given to `streaming`. `told`: the provider said in the
    stream that it failed.
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


class Came(msgspec.Struct, frozen=True):
    """What a try came to. `tail`: the last bytes of a stream. `model`: the one that says it answered."""

    result: Rented
    judgement: Judgement
    tail: bytes = b""
    model: str = ""


class Keeper(Protocol):
    """Whose try it is."""

    def streaming(self, one: Try, headers: Headers, data: bytes, *, first: bool) -> None:
        """More of a streamed answer."""
        ...

    def ended(self, one: Try, came: Came) -> None:
        """It is over."""
        ...

    def crashed(self, fault: Exception) -> None:
        """A fault of our own ended it."""
        ...


class Try:
    """Asks one provider once, and is the sink of its answer.

    Args:
        keeper: whose it is.
        dialect: of request and answer.
        target: who is asked.
        permit: leave to ask; the keeper gives it back.
        purpose: why.
        clock: seconds.
        max_body_bytes: of an answer that is not streamed.
        others: somebody else may be asked, so that an error at the beginning of a stream need not go to its reader.

    `streaming`: some of the answer has gone to a reader, so that it cannot be taken back.
    """

    __slots__ = ("_assembler", "_body", "_body_bytes", "_clock", "_coding", "_dialect", "_full", "_handle", "_headers",
                 "_keeper", "_max_body_bytes", "_others", "_outgoing", "_passed", "_stated", "_status", "permit",
                 "purpose", "started", "streaming", "target", "ttft_ms")  # fmt: skip

    def __init__(
        self,
        keeper: Keeper,
        dialect: Dialect,
        target: Target,
        permit: Permit,
        purpose: Purpose,
        clock: Callable[[], float],
        max_body_bytes: int,
        *,
        others: bool = False,
    ) -> None:
        self._keeper = keeper
        self._others = others
        self._dialect = dialect
        self._clock = clock
        self._max_body_bytes = max_body_bytes
        self.target = target
        self.permit = permit
        self.purpose: Purpose = purpose
        self.started = clock()
        self.ttft_ms: float | None = None
        self._outgoing: Outgoing = None  # type: ignore[assignment]
        self._full: Deadlines = None  # type: ignore[assignment]
        self._handle: Handle | None = None
        self._status = 0
        self._headers: Headers = []
        self._coding = b""
        self.streaming = False
        self._assembler: Assembler | None = None
        self._passed = b""
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._stated: Usage | None = None

    def send(self, outgoing: Outgoing, full: Deadlines) -> None:
        """Ask. `full`: the patience of the settings, before the end of the call or a probe cut it.

        Raises:
            FreeholdError: the provider cannot be asked this; nothing has been sent.
        """
        self._outgoing, self._full = outgoing, full
        self._handle = send(self.target.provider, outgoing, self)

    def cancel(self) -> None:
        """Give it up at once."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def pause(self) -> None:
        """The reader is slow: read no further."""
        if self._handle is not None:
            self._handle.pause()

    def resume(self) -> None:
        """Read on."""
        if self._handle is not None:
            self._handle.resume()

    @property
    def name(self) -> str:
        """The provider's."""
        return self.target.provider.name

    @property
    def latency_s(self) -> float:
        """How long it has taken so far."""
        return self._clock() - self.started

    def estimate(self, prompt_tokens: int) -> Usage:
        """What it may have cost, where it did not end: as its provider has counted so far, else by what has come.

        Exact only where the stream was complete but for the end of its connection.
        """
        if self._assembler is None:
            return Usage(prompt_tokens, output_tokens=0, estimated=True)
        came = self._assembler.finish()
        usage = came.usage or self._stated_so_far(came)
        if usage is None:
            chars = came.text_chars if came.fault else len(self._dialect.answer_text(came.body) or "")
            usage = Usage(output_tokens=-(-chars // _CHARS_PER_TOKEN), estimated=True)
        elif came.fault and not usage.estimated:
            usage = msgspec.structs.replace(usage, estimated=True)
        if usage.estimated and not usage.prompt_tokens:
            usage = msgspec.structs.replace(usage, input_tokens=prompt_tokens)
        return usage

    def _stated_so_far(self, came: Assembled) -> Usage | None:
        """Counts of a stream that its reader's format does not show: where it is cut, of all input and some output."""
        stated = self._stated
        if stated is None or not came.fault:
            return stated
        output = max(stated.output_tokens, -(-came.text_chars // _CHARS_PER_TOKEN))
        return msgspec.structs.replace(stated, output_tokens=output, estimated=True)

    def leg(self, outcome: Outcome, began: float, model: str, *, usage: Usage | None = None, error: str = "") -> Leg:
        """Its record. `began`: when the call came."""
        return Leg(
            purpose=self.purpose,
            owner="rented",
            provider=self.target.provider.name,
            model=model,
            outcome=outcome,
            status=self._status,
            offset_ms=(self.started - began) * 1000.0,
            latency_ms=self.latency_s * 1000.0,
            ttft_ms=self.ttft_ms,
            usage=usage,
            error=error,
        )

    # Sink

    def on_head(self, status: int, headers: Headers) -> None:
        """Status and headers of the answer."""
        self._status, self._headers = status, headers
        if 200 <= status < 300:
            named = by_name(headers)
            self._coding = named.get(b"content-encoding", b"").lower()
            kind = named.get(b"content-type", b"")
            if kind.lower().startswith(b"text/event-stream"):
                self._assembler = self._dialect.assembler()

    def on_data(self, data: bytes, *, done: bool) -> None:
        """More of its body. A fault of ours ends this call, and no other."""
        try:
            self._take(data, done=done)
        except Exception as fault:  # noqa: BLE001 -- raised further, it would leave the client waiting for ever
            self._keeper.crashed(fault)

    def on_usage(self, usage: Usage) -> None:
        """Counts as the provider states them, which the client's dialect may not show, or not all of."""
        self._stated = usage

    def on_failed(self, error: FreeholdError) -> None:
        """No (further) answer will come."""
        self._handle = None
        try:
            self._failed(error, self._meaning(error))
        except Exception as fault:  # noqa: BLE001 -- see on_data
            self._keeper.crashed(fault)

    # private

    def _take(self, data: bytes, *, done: bool) -> None:
        if self.ttft_ms is None and data:
            latency_s = self._clock() - self.started
            self.ttft_ms = latency_s * 1000.0
            if self._assembler is not None:
                self.permit.first_byte(latency_s)
        if self._assembler is not None:
            if data:
                self._assembler.feed(data)
                if self._others and not self.streaming and b"error" in data and self._refused(self._assembler, data):
                    return
            if done or (self._ends(data) and self._assembler.broken):
                self._stream_over(self._assembler, data, ended=done)
            elif data:
                first, self.streaming = not self.streaming, True
                self._keeper.streaming(self, self._headers, data, first=first)
                self._passed = (self._passed + data[-_EDGE:])[-_EDGE:]
            return
        self._body.append(data)
        self._body_bytes += len(data)
        if self._body_bytes > self._max_body_bytes:
            self.cancel()
            self._failed(UpstreamFailed(f"{self.name} sent an answer that is too long"), _ODD)
        elif done:
            self._handle = None
            self._whole(b"".join(self._body))

    def _whole(self, body: bytes) -> None:
        """An answer that was not streamed."""
        if 300 <= self._status < 400:  # followed by the client it would lead past the gateway
            error = UpstreamFailed(
                f"{self.name} sent us elsewhere (status {self._status})", hint=f"check providers.{self.name}.base_url"
            )
            self._failed(error, _ODD)
            return
        if self._status >= 400:
            own_key = not carries_clients_key(self.target.provider, self._outgoing)
            meaning = judge(self._status, self._headers, body, time.time(), own_key=own_key)
            body = self._discreet(body)
            self._keeper.ended(self, Came(self._answer("error", body, None), meaning, body))
            return
        readable = _unpacked(body) if self._coding in _UNPACKED else body
        answer = self._dialect.read(readable)
        if answer is not None:
            self._keeper.ended(
                self, Came(self._answer("ok", readable, self._stated or answer.usage), OK, body, answer.model)
            )
        elif readable.lstrip().startswith(b"{"):
            body = self._discreet(body)
            self._keeper.ended(self, Came(self._answer("error", body, None), _ODD, body))
        else:
            self._failed(UpstreamFailed(f"{self.name} sent an answer that is no JSON"), BROKEN)

    def _discreet(self, body: bytes) -> bytes:
        """A failure told by the provider, in its headers too, without the key that we asked with."""
        discreet = self.target.provider.discreet
        self._headers = [(name, discreet(value)) for name, value in self._headers]
        return discreet(body)

    def _answer(self, outcome: Outcome, body: bytes, usage: Usage | None) -> Rented:
        return Rented(
            outcome, self.name, self._status, self._headers, body, usage, self.ttft_ms, streamed=False,
            model=self.target.model,
        )  # fmt: skip

    def _stream_over(self, assembler: Assembler, tail: bytes, *, ended: bool) -> None:
        """A stream that ended by itself, complete or cut, or that says it is complete and is not."""
        if ended:
            self._handle = None
        else:
            self.cancel()
        came = assembler.finish()
        if not came.fault:
            usage = self._stated or came.usage
            result = Rented(
                "ok", self.name, 200, self._headers, came.body, usage, self.ttft_ms, streamed=True,
                model=self.target.model,
            )  # fmt: skip
            self._keeper.ended(self, Came(result, OK, tail, _model_of(came.body)))
            return
        error = UpstreamFailed(f"{self.name}: {came.fault}")
        if not self.streaming and not tail:
            self._failed(error, BROKEN)
            return
        self._broken(assembler, error, BROKEN, tail if came.error_sent else self._passable(tail))

    def _refused(self, assembler: Assembler, data: bytes) -> bool:
        """Whether a stream begins with the provider's error: then it has failed as by a status, and is over."""
        came = assembler.finish() if assembler.broken else None
        if came is None or not came.error_sent or came.text_chars:
            return False
        self.cancel()
        own_key = not carries_clients_key(self.target.provider, self._outgoing)
        meaning = judge(streamed_status(came.body), self._headers, came.body, time.time(), own_key=own_key)
        result = Rented(
            "error", self.name, 200, self._headers, came.body, None, self.ttft_ms, streamed=True,
            model=self.target.model, error=UpstreamFailed(f"{self.name}: {came.fault}"), told=True,
        )  # fmt: skip
        self._keeper.ended(self, Came(result, meaning._replace(again=False), data, _model_of(came.body)))
        return True

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

    def _failed(self, error: FreeholdError, meaning: Judgement) -> None:
        if self._assembler is not None and self.streaming:
            self._broken(self._assembler, error, meaning, self._passable(b""))
            return
        outcome: Outcome = "error" if error.status >= 500 else "refused"
        paid = self._stated if isinstance(error, AnswerUntranslatable) else None
        result = Rented(
            outcome, self.name, error.status, [], b"", paid, self.ttft_ms, streamed=False, model=self.target.model,
            error=error,
        )  # fmt: skip
        self._keeper.ended(self, Came(result, meaning))

    def _broken(self, assembler: Assembler, error: FreeholdError, meaning: Judgement, tail: bytes) -> None:
        """A stream of which some bytes have come."""
        came = assembler.finish()
        usage = came.usage or self._stated_so_far(came)
        result = Rented(
            "incomplete", self.name, 200, self._headers, came.body, usage, self.ttft_ms, streamed=True,
            model=self.target.model, error=error, told=came.error_sent,
        )  # fmt: skip
        self._keeper.ended(self, Came(result, meaning, tail, _model_of(came.body)))

    def _meaning(self, error: FreeholdError) -> Judgement:
        """What a failure below HTTP says of the provider. Our own haste says nothing."""
        if isinstance(error, AnswerUntranslatable):
            return PAID
        patience = self._outgoing.patience or self._full
        if isinstance(error, ConnectFailed):
            return UNREACHABLE if patience.connect_s >= self._full.connect_s else HURRIED
        if not isinstance(error, UpstreamTimeout):
            return BROKEN if isinstance(error, UpstreamFailed) else REFUSED
        if self.ttft_ms is None:
            enough_s = self.permit.usual_s or self._full.first_byte_s
            return SLOW if self.latency_s >= enough_s else HURRIED
        return HURRIED if isinstance(error, DeadlineExceeded) or patience.idle_s < self._full.idle_s else SLOW


def _model_of(body: bytes) -> str:
    """The model that an assembled answer names, "" where it names none."""
    try:
        return _named_decoder.decode(body).model
    except msgspec.MsgspecError:
        return ""


def _unpacked(body: bytes) -> bytes:
    """The body as text, for the record, where a provider compressed it although it was asked not to."""
    unpacker = zlib.decompressobj(47)
    try:
        text = unpacker.decompress(body, _MAX_UNPACKED)
    except zlib.error:
        return b""
    return text if unpacker.eof else b""  # cut, or a bomb
