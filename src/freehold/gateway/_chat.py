"""One chat completion, from request to ledger: recognised, routed, answered by an owned or a rented model, recorded.

A call that is rented runs on callbacks alone, without a task of its own; a task is started only to ask an owned model.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from freehold.errors import BadRequest, FreeholdError, MissingPrerequisite, RestrictedRefused
from freehold.registry.names import from_header
from freehold.vocabulary import Answer, Call, Leg, Owner, Purpose, Usage
from freehold.wire.openai import (
    ChatRequest,
    answer_text,
    completion,
    decode_request,
    error_envelope,
    error_event,
    estimate_tokens,
    stream_of,
)

from ._answers import differs, fits, judged, prompt_tokens, unstreamed
from ._egress import Outgoing
from ._providers import returned_headers
from ._rental import Rental, Rented
from ._replay import recorded_ms, started_at_us
from ._router import Resolution
from ._server import Exchange, Headers

if TYPE_CHECKING:
    from .app import Gateway

_JSON = b"content-type: application/json\r\n"
_EVENT_STREAM = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
_NO_RETRY = b"x-should-retry: false\r\n"  # OpenAI's SDKs would try again although nothing can change
_SHARE_STEPS = 1 << 32

Plan = Literal["rent", "own", "shadow", "refuse"]


class ChatCall:
    """One call. Create it with its exchange and `begin`; everything else is called back."""

    __slots__ = (
        "_asking",
        "_began",
        "_exchange",
        "_gateway",
        "_open",
        "_owned_answer",
        "_owned_leg",
        "_provider",
        "_random",
        "_recorded_ms",
        "_rental",
        "_request",
        "_resolution",
        "_side",
        "call",
        "over",
    )  # fmt: skip

    def __init__(self, gateway: Gateway, exchange: Exchange) -> None:
        self._gateway = gateway
        self._exchange = exchange
        self._began = gateway.clock()
        self._random = gateway.random.getrandbits(64)
        self.call = Call(
            id=f"call_{time.time_ns() // 1000:014x}{self._random:016x}",
            started_at_us=started_at_us(exchange, trusted=gateway.settings.trust_replay_times),
            latency_ms=0.0,
            provider="",
            model="",
            request=exchange.body,
            response=b"",
            owner="none",
        )
        self._request: ChatRequest = None  # type: ignore[assignment]
        self._resolution: Resolution = None  # type: ignore[assignment]
        self._rental: Rental | None = None
        self._side: Rental | None = None
        self._asking: asyncio.Task[None] | None = None
        self._owned_answer: Answer | None = None
        self._owned_leg: Leg | None = None
        self._provider = ""
        self._recorded_ms: float | None = None
        self._open = 1
        self.over = False

    @property
    def task_name(self) -> str:
        """The task's name for people, "" where none is known."""
        return self._resolution.task_name

    def begin(self) -> None:
        """Read the request, recognise it, and have it answered."""
        try:
            self._request = decode_request(self._exchange.body)
        except BadRequest as error:
            self._gateway.metrics.refused[error.error_code] += 1
            self._exchange.fail(error, b"x-freehold-call-id: %b\r\n" % self.call.id.encode())
            return
        self._gateway.calls.add(self)
        self._gateway.metrics.in_flight += 1
        self._exchange.on_gone = self.gone
        self.call.model = self._request.model
        self.call.streamed = bool(self._request.stream)
        try:
            declared = from_header(self._exchange.header(b"x-freehold-task"))
            self._resolution = self._gateway.router.resolve(self._request, declared)
        except FreeholdError as error:
            self._resolution = Resolution("", "", "", (), None, None)
            self._refuse(error)
            return
        self.call.task = self._resolution.declared_id
        self.call.template = self._resolution.template_id
        plan = self._plan()
        if plan == "refuse":
            self._refuse(_restricted())
        elif plan == "rent":
            self._rent("serve")
        else:
            self._asking = asyncio.get_running_loop().create_task(self._ask(serve=plan == "own"))
            if plan == "shadow":
                self._open += 1
                self._rent("serve")

    # Audience of the rental that serves

    def streaming(self, headers: Headers, data: bytes, *, first: bool) -> None:
        """Bytes of a rented stream: on to the client, as they came."""
        if first:
            self._exchange.start(200, returned_headers(headers) + self._headers("rented"), data)
        else:
            self._exchange.write(data)

    def rented(self, result: Rented, tail: bytes) -> None:
        """The rental is over: give the client the rest, then record."""
        call = self.call
        call.provider, call.outcome, call.usage = result.provider, result.outcome, result.usage
        call.status = result.status
        self._recorded_ms = recorded_ms(result.headers, trusted=self._gateway.settings.trust_replay_times)
        if result.ttft_ms is not None and self._rental is not None:
            call.ttft_ms = result.ttft_ms + self._rental.legs[-1].offset_ms
        call.owner = "rented" if result.error is None or result.streamed else "none"
        call.response = result.body
        if result.error is not None:
            call.error = result.error.message
        elif result.outcome == "error":
            call.error = f"status {result.status}"
        self._gateway.mark()
        exchange = self._exchange
        if result.streamed:
            self._finish_stream(result, tail)
        elif result.error is not None:
            call.response = error_envelope(result.error)
            extra = _NO_RETRY if isinstance(result.error, MissingPrerequisite) else b""
            exchange.respond(result.status, _JSON + extra + self._headers("none"), call.response)
        else:
            exchange.respond(result.status, returned_headers(result.headers) + self._headers("rented"), tail)
        self._answered()

    def _finish_stream(self, result: Rented, tail: bytes) -> None:
        exchange = self._exchange
        error = None if result.told else result.error
        if not exchange.streaming:
            headers = returned_headers(result.headers) + self._headers("rented")
            if error is None and tail:
                exchange.stream_whole(200, headers, tail)
                return
            exchange.start(200, headers, b"")
        if error is None:
            exchange.end(tail)
        else:
            exchange.abort(tail + error_event(error))

    def crashed(self, fault: Exception) -> None:
        """A fault of our own: the client gets an error, the call is recorded as one."""
        self._gateway.metrics.internal_errors += 1
        error = FreeholdError(f"the gateway failed ({type(fault).__name__})")
        call, exchange = self.call, self._exchange
        call.outcome, call.status, call.error = "error", error.status, error.message
        if exchange.streaming:
            exchange.abort(error_event(error))
        else:
            exchange.fail(error, self._headers("none"))
        if not self.over:
            self._answered()

    def gone(self) -> None:
        """The client left: stop the work, keep what it cost."""
        call = self.call
        call.outcome, call.error, call.status = "cancelled", "the client left", 499
        if self._asking is not None and self._rental is None:
            self._asking.cancel()
        if self._rental is not None:
            usage = self._rental.cancel()
            if usage is not None:
                call.owner = "rented"
                call.usage = Usage(prompt_tokens(self._request), output_tokens=usage.output_tokens, estimated=True)
        self._answered()

    # the plan

    def _plan(self) -> Plan:
        resolution, route = self._resolution, self._resolution.route
        restricted = resolution.data_class != "ordinary"
        allowed = (
            route is not None
            and self._gateway.owned.can_ask(route)
            and resolution.template_id in route.template_ids
            and not self._request.owned_obstacle()
        )
        if allowed and route is not None:
            chosen = route.stage == "canary" and self._chosen(route.canary_share, 0)
            if route.stage == "full" or chosen:
                return "own"
            if route.stage == "shadow" and not restricted:
                return "shadow"
        return "refuse" if restricted else "rent"

    def _chosen(self, share: float, bits: int) -> bool:
        return (self._random >> bits) % _SHARE_STEPS < share * _SHARE_STEPS

    # renting

    def _rent(self, purpose: Purpose) -> None:
        try:
            provider = self._gateway.provider()
        except FreeholdError as error:
            self._refuse(error)
            return
        exchange = self._exchange
        outgoing = self._outgoing(exchange.body)
        rental = self._rental = Rental(self._gateway.terms, outgoing, self, purpose, self.call.model)
        exchange.on_pause, exchange.on_resume = rental.pause, rental.resume
        rental.start(provider, self._began)

    def _outgoing(self, body: bytes) -> Outgoing:
        return Outgoing(b"POST", b"/chat/completions", self._exchange.headers, body, self._resolution.data_class)

    def _refuse(self, error: FreeholdError) -> None:
        call = self.call
        call.outcome = "refused" if error.status < 500 else "error"
        call.owner, call.status, call.error = "none", error.status, error.message
        call.response = error_envelope(error)
        self._gateway.mark()
        extra = _NO_RETRY if isinstance(error, MissingPrerequisite) else b""
        self._exchange.respond(error.status, _JSON + extra + self._headers("none"), call.response)
        self._answered()

    # owning

    async def _ask(self, *, serve: bool) -> None:
        """Ask the owned model; whatever goes wrong with it, the call goes on."""
        route = self._resolution.route
        assert route is not None
        gateway, started = self._gateway, self._gateway.clock()
        answer: Answer | None = None
        error = ""
        try:
            answer = await gateway.owned.ask(route, self._resolution.inputs)
        except TimeoutError:
            error = "the owned model did not answer in time"
        except Exception as fault:  # noqa: BLE001 -- a broken student escalates, it never breaks a call
            reason = fault.message if isinstance(fault, FreeholdError) else type(fault).__name__
            error = f"the owned model failed: {reason}"
        in_scope = answer is not None and answer.scope >= route.scope_threshold
        sure = answer is not None and answer.confidence >= route.threshold and in_scope
        serves = serve and sure and answer is not None and fits(self._request, answer.text)
        result = "failed" if answer is None else "sure" if sure else "unsure" if in_scope else "out_of_scope"
        gateway.metrics.owned[route.task_name, result] += 1
        self._owned_answer = answer
        self._owned_leg = Leg(
            purpose="serve" if serve else "shadow",
            owner="owned",
            provider="owned",
            model=route.student_id,
            outcome="error" if answer is None else "ok",
            offset_ms=(started - self._began) * 1000.0,
            latency_ms=(gateway.clock() - started) * 1000.0,
            confidence=answer.confidence if answer is not None else None,
            in_scope=in_scope if answer is not None else None,
            answer=None if answer is None or serves else answer.text,
            error=error,
        )
        if not serve:
            self._settle()
        elif self.over:
            return
        elif serves and answer is not None:
            self._serve(answer)
        elif self._resolution.data_class != "ordinary":
            self._refuse(_restricted())
        else:
            self._rent("escalate")

    def _serve(self, answer: Answer) -> None:
        """Answer with the owned model's answer."""
        route, request, call = self._resolution.route, self._request, self.call
        assert route is not None
        usage = Usage(prompt_tokens(request), output_tokens=estimate_tokens(answer.text), estimated=True)
        call.response = completion(
            id=f"chatcmpl-{call.id[5:]}",
            model=request.model,
            created=call.started_at_us // 1_000_000,
            answer=answer.text,
            usage=usage,
            tools=bool(request.tools),
        )
        call.owner, call.provider, call.usage, call.status = "owned", "owned", usage, 200
        self._gateway.mark()
        headers = self._headers("owned") + b"x-freehold-confidence: %.4f\r\n" % answer.confidence
        if request.stream:
            events = b"".join(stream_of(call.response, include_usage=request.include_usage))
            self._exchange.stream_whole(200, _EVENT_STREAM + headers, events)
        else:
            self._exchange.respond(200, _JSON + headers, call.response)
        if self._chosen(route.audit_share, 32) and self._resolution.data_class == "ordinary":
            self._audit()
        self._answered()

    def _audit(self) -> None:
        """Ask the rented model as well, after the client has been answered."""
        try:
            provider = self._gateway.provider()
        except FreeholdError:
            return
        self._open += 1
        body = unstreamed(self._exchange.body, self._request)
        side = self._side = Rental(self._gateway.terms, self._outgoing(body), _Aside(self), "audit", self.call.model)
        side.start(provider, self._began)

    def audited(self, result: Rented) -> None:
        """The rented model's answer to an audited call has come, or will not."""
        route, answer = self._resolution.route, self._owned_answer
        assert route is not None
        assert answer is not None
        rented = answer_text(result.body) if result.outcome == "ok" else None
        wrong = differs(route.loss, answer.text, rented) if rented is not None else None
        self._gateway.audited(route, wrong)
        if self._side is not None:
            self._side.legs[-1] = judged(self._side.legs[-1], rented, wrong)
        self._settle()

    def audit_crashed(self) -> None:
        """A fault of our own in an audit: the call is recorded without it."""
        self._gateway.metrics.internal_errors += 1
        self.close()

    # the end

    def _answered(self) -> None:
        """Nothing more goes to the client."""
        elapsed_ms = (self._gateway.clock() - self._began) * 1000.0
        self.call.latency_ms = elapsed_ms if self._recorded_ms is None else self._recorded_ms
        self._gateway.metrics.in_flight -= 1
        self._settle()

    def _settle(self) -> None:
        """One of the things a call waits for (the answer, a shadow, an audit) is over; after the last, record it."""
        self._open -= 1
        if not self._open:
            self.close()

    def close(self) -> None:
        """Record the call as it stands, once."""
        if self.over:
            return
        self.over = True
        legs: list[Leg] = []
        if self._owned_leg is not None:
            legs.append(self._with_agreement(self._owned_leg))
        for rental in (self._rental, self._side):
            if rental is not None:
                legs += rental.legs
        self.call.legs = tuple(legs)
        self._gateway.record(self)

    def _with_agreement(self, leg: Leg) -> Leg:
        if leg.purpose != "shadow" or self._owned_answer is None or self._resolution.route is None:
            return leg
        rented = answer_text(self.call.response) if self.call.outcome == "ok" else None
        wrong = differs(self._resolution.route.loss, self._owned_answer.text, rented) if rented is not None else None
        return judged(leg, self._owned_answer.text, wrong)

    def _headers(self, owner: Owner) -> bytes:
        lines = b"x-freehold-call-id: %b\r\n" % self.call.id.encode()
        if self._resolution.task_name:
            lines += b"x-freehold-task: %b\r\n" % quote(self._resolution.task_name, safe=" ()/:,&+").encode()
        return lines if owner == "none" else lines + b"x-freehold-served-by: %b\r\n" % owner.encode()


class _Aside:
    """The audience of an audit: nobody waits for it but the call's record."""

    def __init__(self, call: ChatCall) -> None:
        self._call = call

    def streaming(self, headers: Headers, data: bytes, *, first: bool) -> None:
        """A provider that streams although it was not asked to."""

    def rented(self, result: Rented, tail: bytes) -> None:  # noqa: ARG002 -- nobody is owed these bytes
        self._call.audited(result)

    def crashed(self, fault: Exception) -> None:  # noqa: ARG002 -- counted, and nothing else can be done
        self._call.audit_crashed()


def _restricted() -> RestrictedRefused:
    return RestrictedRefused(
        "this task is restricted: no owned model may answer this call, and it may not be sent to a rented one",
        hint="promote an owned model for it, or change its data_class in freehold.toml",
    )
