"""One call, from request to ledger: recognised, routed, answered by an owned or a rented model, recorded.

A call that is rented runs on callbacks alone, without a task of its own; a task is started only to ask an owned model.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from freehold.errors import (
    BadRequest,
    FreeholdError,
    MissingPrerequisite,
    RestrictedRefused,
    RestrictedUnavailable,
)
from freehold.vocabulary import DATA_CLASS_TAG, TEAM_TAG, Call, Leg, Purpose, Usage, reasons
from freehold.wire.dialects import Asked, Dialect
from freehold.wire.known import EMBEDDINGS
from freehold.wire.openai import estimate_tokens

from ._answers import differs, judged, most_prompt_tokens, prompt_tokens
from ._audit import Audit
from ._coding import decoded
from ._egress import Outgoing
from ._exchange import Exchange, Headers
from ._owned_turn import OwnedTurn
from ._plan import Plan, chosen, is_away, plan_of
from ._rental import Rental, Wanted
from ._replay import recorded_ms, started_at_us
from ._reply import Reply
from ._router import Resolution
from ._targets import Target, declared_task
from ._try import Rented
from .callers import Admission, Caller, Claim, query_without_keys, without_keys

if TYPE_CHECKING:
    from .app import Gateway

_NOBODY = Resolution("", "", "", (), None, None)
_REFUSALS = {
    "untranslatable": reasons.UNTRANSLATABLE,
    "bad_request": reasons.BAD_REQUEST,
    "missing_prerequisite": reasons.NOBODY_TO_ASK,
    "key_scope": reasons.KEY_SCOPE,
    "price_unknown": reasons.PRICE_UNKNOWN,
    "budget_exhausted": reasons.BUDGET_EXHAUSTED,
    "budget_unavailable": reasons.BUDGET_UNAVAILABLE,
    "rate_limited": reasons.RATE_LIMITED,
    "overloaded": reasons.OVERLOADED,
}
"""Reasons of calls that were refused, by the code of the error."""


class ModelCall:
    """One call in one dialect. Create it with its exchange and `begin`; everything else is called back.

    `answered`: nothing more goes to the client. `over`: it is recorded as well, which nobody waits for.
    """

    __slots__ = ("_admission", "_asked", "_asking", "_audit", "_began", "_dialect", "_exchange", "_gateway",
                 "_nobody", "_open", "_owned_leg", "_remember", "_rental", "_rented", "_reply", "_resolution",
                 "_targets", "_turn", "answered", "call", "draw", "over")  # fmt: skip

    def __init__(self, gateway: Gateway, exchange: Exchange, dialect: Dialect) -> None:
        self._gateway = gateway
        self._exchange = exchange
        self._dialect = dialect
        self._began = gateway.watch()
        self.draw = gateway.random.getrandbits(64)
        now_us = time.time_ns() // 1000
        trusted = gateway.settings.trust_replay_times
        self.call = Call(
            id="call_" + (now_us << 64 | self.draw).to_bytes(15, "big").hex(),
            started_at_us=started_at_us(exchange, now_us) if trusted else now_us,
            latency_ms=0.0,
            provider="",
            model="",
            request=exchange.body,
            response=b"",
            owner="none",
            dialect=dialect.name,
        )
        self._reply = Reply(exchange, dialect, self.call.id)
        self._asked: Asked = None  # type: ignore[assignment]
        self._admission: Admission | None = None
        self._targets: tuple[Target, ...] = ()
        self._nobody: FreeholdError | None = None
        self._remember: tuple[bytes, float] | None = None
        self._resolution: Resolution = _NOBODY
        self._rental: Rental | None = None
        self._audit: Audit | None = None
        self._asking: asyncio.Task[None] | None = None
        self._turn: OwnedTurn | None = None
        self._owned_leg: Leg | None = None
        self._rented: Rented | None = None
        self._open = 1
        self.answered = self.over = False

    @property
    def task_name(self) -> str:
        """The task's name for people, "" where none is known: never a name that only a client gave."""
        return self._resolution.task_name or self._resolution.named

    def begin(self) -> None:
        """Read the request, recognise it, and have it answered."""
        gateway, exchange, call = self._gateway, self._exchange, self.call
        try:
            caller = gateway.callers.identify(exchange.headers)
            self._asked = self._read()
        except FreeholdError as error:
            gateway.metrics.refused[error.error_code] += 1
            self._reply.refuse(error)
            return
        gateway.calls.add(self)
        gateway.metrics.began()
        exchange.on_gone = self.gone
        call.model = self._asked.chat.model
        call.streamed = bool(self._asked.chat.stream)
        try:
            by_form = self._dialect is not EMBEDDINGS
            declared = declared_task(exchange.named, call.model)
            self._resolution = gateway.router.resolve(self._asked.chat, declared, by_form=by_form)
            self._reply.task = self._resolution.task_name
        except FreeholdError as error:
            self._refuse(error, reasons.NOBODY_TO_ASK)
            return
        if self._resolution.data_class != "ordinary":
            call.tags[DATA_CLASS_TAG] = "restricted"
        call.task = self._resolution.declared_id or self._resolution.named
        call.template = self._resolution.template_id
        self._find_targets()
        if caller is not None and not self._let_in(caller):
            return
        if not self._remembered():
            self._go(*plan_of(gateway, self._resolution, self._asked, self.draw))

    def _read(self) -> Asked:
        """The request, decompressed where it has to be."""
        exchange = self._exchange
        try:
            return self._dialect.decode(exchange.body)
        except BadRequest:  # hardly ever: no other call looks for the header
            if not exchange.header(b"content-encoding"):
                raise
        most = self._gateway.settings.max_body_bytes
        exchange.headers, exchange.body = decoded(exchange.headers, exchange.body, most)
        self.call.request = exchange.body
        return self._dialect.decode(exchange.body)

    def _find_targets(self) -> None:
        """Who may be asked. Nobody is no error yet: an owned model may answer."""
        try:
            self._targets = self._gateway.targets.of(self.call.model, self._dialect.name)
        except FreeholdError as error:
            self._nobody = error
        else:
            self.call.model = self._targets[0].model or self.call.model

    def _let_in(self, caller: Caller) -> bool:
        """Reserve what the call may cost its caller; False where it was refused."""
        exchange, call, chat = self._exchange, self.call, self._asked.chat
        exchange.headers = without_keys(exchange.headers)
        call.key = caller.key.name
        if caller.key.team:
            call.tags[TEAM_TAG] = caller.key.team  # unless the call names another
        claim = Claim(
            self._dialect.name,
            chat.model,
            tuple([one.name for one in self._targets]),
            task=self._resolution.task_name,
            prompt_tokens=most_prompt_tokens(chat),
            output_limit=chat.max_completion_tokens or chat.max_tokens,
            choices=chat.n or 1,
        )
        try:
            self._admission = self._gateway.callers.admit(caller, claim)
        except FreeholdError as error:
            self._refuse(error, _REFUSALS.get(error.error_code, reasons.INTERNAL))
            return False
        self._reply.lines = self._admission.lines
        return True

    def _go(self, plan: Plan, reason: str) -> None:
        self.call.reason = reason
        if plan == "refuse":
            away = is_away(self._gateway, self._resolution, self._asked)
            self._refuse(_restricted(away=away), reasons.RESTRICTED)
        elif plan == "rent":
            self._rent("serve")
        else:
            self._asking = asyncio.get_running_loop().create_task(self._ask(serve=plan == "own"))
            if plan == "shadow":
                self._open += 1
                self._rent("serve")

    def _remembered(self) -> bool:
        """Answer as the same request was answered before, where its task wants that; True where it was."""
        gateway, call = self._gateway, self.call
        seconds = gateway.task_settings(self._resolution).cache_s
        if not seconds or self._resolution.data_class != "ordinary":
            return False
        exchange = self._exchange
        key = gateway.cache.key(call.key, exchange.headers, self._dialect.name, call.request, exchange.query)
        kept = gateway.cache.get(key)
        gateway.metrics.cache.add((self.task_name, "miss" if kept is None else "hit"))
        if kept is None:
            self._remember = key, seconds
            return False
        call.reason, call.owner, call.provider, call.model = reasons.CACHE_HIT, "rented", kept.provider, kept.model
        call.response, call.usage = kept.body, Usage()  # nobody was asked: no tokens, no cost
        self._settle_up()
        self._reply.again(kept.body, self._asked)
        self._answered()
        return True

    # Audience of the rental that serves

    def streaming(self, headers: Headers, data: bytes, *, first: bool) -> None:
        """Bytes of a rented stream: on to the client, as they came."""
        self._reply.stream(headers, data, first=first)

    def rented(self, result: Rented, tail: bytes) -> None:
        """The rental is over: give the client the rest, then record."""
        if _failed(result) and self._rescue():
            return
        self._rented = result
        self._settle_up()
        if result.streamed:
            self._reply.finish_stream(result, tail)
        elif result.error is not None:
            self._reply.refuse(result.error)
        else:
            self._reply.whole(result, tail)
        if self._remember is not None and result.outcome == "ok":
            (key, seconds), model = self._remember, result.model or self.call.model
            self._gateway.cache.put(key, result.body, provider=result.provider, model=model, seconds=seconds)
        self._answered()

    def _note(self, result: Rented) -> None:
        """What is kept of an answer that was rented."""
        call = self.call
        call.provider, call.outcome, call.usage = result.provider, result.outcome, result.usage
        call.status = result.status
        call.model = result.model or call.model
        if self._rental is not None and self._rental.legs:  # under the name that the answer gives itself
            self._gateway.sunsets.note(call.provider, self._rental.legs[-1].model, result.headers)
        told_ms = recorded_ms(result.headers, trusted=self._gateway.settings.trust_replay_times)
        if told_ms is not None:
            call.latency_ms = told_ms
        if result.ttft_ms is not None and self._rental is not None:
            call.ttft_ms = result.ttft_ms + self._rental.legs[-1].offset_ms
        call.owner = "rented" if result.error is None or result.streamed else "none"
        call.response = result.body
        if result.error is not None:
            call.error = result.error.message
            call.reason = _REFUSALS.get(result.error.error_code, call.reason)
            if not result.streamed:
                call.response = self._dialect.error_envelope(result.error)
        elif result.outcome == "error":
            call.error = f"status {result.status}"

    def crashed(self, fault: Exception) -> None:
        """A fault of our own: the client gets an error, the call is recorded as one."""
        self._gateway.metrics.internal_errors += 1
        error = FreeholdError(f"the gateway failed ({type(fault).__name__})")
        call = self.call
        call.outcome, call.status, call.error, call.reason = "error", error.status, error.message, reasons.INTERNAL
        self._rented = None
        self._reply.crash(error)
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
                call.owner, call.provider, call.usage = "rented", self._rental.legs[-1].provider, usage
        self._answered()

    def give_up(self) -> None:
        """The gateway stops: what has not ended by now is over, and recorded as it stands."""
        exchange = self._exchange
        if not (exchange.finished or self.over):
            exchange.on_gone = lambda: None  # its connection is being closed: that is no second end
            self.gone()
        if self._audit is not None:
            self._audit.give_up()
        self.close()

    # renting

    def _rent(self, purpose: Purpose) -> None:
        gateway = self._gateway
        if self._nobody is not None:
            self._refuse(self._nobody, reasons.NOBODY_TO_ASK)
            return
        rental = self._rental = Rental(gateway.terms, self._wanted(purpose), self)
        self._exchange.on_pause, self._exchange.on_resume = rental.pause, rental.resume
        rental.start(self._targets, self._began)

    def _wanted(self, purpose: Purpose) -> Wanted:
        """What is to be rented: the client's own request; for an audit, the same asking for the answer whole."""
        exchange, dialect, resolution = self._exchange, self._dialect, self._resolution
        streamed = self.call.streamed and purpose != "audit"
        body = exchange.body if streamed == self.call.streamed else dialect.unstreamed(exchange.body)
        outgoing = Outgoing(
            b"POST",
            exchange.path,
            exchange.headers,
            body,
            resolution.data_class,
            dialect.name,
            query=query_without_keys(exchange.query),
        )
        task = self._gateway.task_key(resolution)
        stand_in = purpose == "escalate" and self._may_rescue
        afford = _gladly if self._admission is None else self._admission.extend
        return Wanted(dialect, outgoing, purpose, self.call.model, self._asked, streamed, task, afford, stand_in)

    def _refuse(self, error: FreeholdError, reason: str) -> None:
        call = self.call
        call.outcome = "refused" if error.status < 500 else "error"
        call.owner, call.status, call.error, call.reason = "none", error.status, error.message, reason
        call.response = self._dialect.error_envelope(error)
        self._settle_up()
        self._reply.refuse(error)
        self._answered()

    # owning

    async def _ask(self, *, serve: bool) -> None:
        """Ask the owned model; unless it is sure, the call goes on to a rented one."""
        route = self._resolution.route
        assert route is not None
        turn = self._turn = OwnedTurn(self._gateway, route)
        await turn.ask(self._resolution, self._asked, self._began)
        serves = serve and turn.reason == reasons.SURE
        self._owned_leg = turn.leg("serve" if serve else "shadow", served=serves)
        if not serve:
            self._settle()
            return
        if self.answered:
            return
        self.call.reason = turn.reason
        if serves:
            self._serve(turn)
        elif self._resolution.data_class != "ordinary":
            self._refuse(_restricted(away=turn.answer is None), reasons.RESTRICTED)
        else:
            self._rent("escalate")

    def _serve(self, turn: OwnedTurn) -> None:
        """Answer with the owned model's answer."""
        call, answer = self.call, turn.answer
        assert answer is not None
        usage = Usage(prompt_tokens(self._asked.chat), output_tokens=estimate_tokens(answer.text), estimated=True)
        created_s = call.started_at_us // 1_000_000
        call.response = self._dialect.author(
            self._asked, call_id=call.id, created_s=created_s, answer=answer.text, usage=usage
        )
        call.owner, call.provider, call.usage, call.status = "owned", "owned", usage, 200
        self._settle_up()
        self._reply.own(call.response, self._asked, answer.confidence)
        self._answered()

    def _start_audit(self, turn: OwnedTurn) -> None:
        """Ask the rented model as well, where this call is one of those that are audited."""
        if self.call.reason != reasons.SURE or not chosen(self.draw, turn.route.audit_share, 32):
            return
        if self._resolution.data_class != "ordinary" or not self._targets:
            return
        self._open += 1
        self._audit = Audit(self._gateway, turn, self._dialect, self._settle)
        self._audit.start(self._wanted("audit"), self._targets, self._began)

    @property
    def _may_rescue(self) -> bool:
        """Whether the owned model's answer may serve although it was not sure: the task's settings want it."""
        turn = self._turn
        if turn is None or not turn.in_scope:  # what is paused is not asked, and what has no answer is in no scope
            return False
        return self._gateway.task_settings(self._resolution).owned_fallback

    def _rescue(self) -> bool:
        """Serve the owned answer where every provider failed, before the client has got a byte; True where it was."""
        turn = self._turn
        if turn is None or not self._may_rescue or self._exchange.streaming:
            return False
        self.call.reason = reasons.OWNED_FALLBACK
        self._owned_leg = turn.leg("fallback", served=True)
        self._serve(turn)
        return True

    # the end

    def _settle_up(self) -> None:
        """Before the last byte leaves: the answer counts as given, and what it cost its caller is settled."""
        self._gateway.mark()
        self._pay()

    def _pay(self) -> None:
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.settle_call(self.call, self._rental.legs if self._rental is not None else ())

    def _answered(self) -> None:
        """Nothing more goes to the client. Whatever else there is to do can wait until it has been sent."""
        if self.answered:
            return
        self.answered = True
        self._pay()
        self.call.latency_ms = (self._gateway.watch() - self._began) * 1000.0
        self._gateway.metrics.answered()
        self._exchange.afterwards(self._sent)

    def _sent(self) -> None:
        """The client has its answer: what nobody waits for. A fault of ours ends this call, and no other."""
        if self.over:
            return
        try:
            if self.call.owner == "owned" and self._turn is not None:
                self._start_audit(self._turn)
            self._settle()
        except Exception:  # noqa: BLE001 -- those that were answered in the same turn wait behind it
            self._gateway.metrics.internal_errors += 1
            self.close()

    def _settle(self) -> None:
        """One of the things a call waits for (the answer, a shadow, an audit) is over; after the last, record it."""
        self._open -= 1
        if not self._open:
            self.close()

    def close(self) -> None:
        """Record the call as it stands, once."""
        if self.over:
            return
        rented, self._rented = self._rented, None
        if rented is not None:
            self._note(rented)
        self.over = True
        legs: list[Leg] = []
        if self._owned_leg is not None:
            legs.append(self._with_agreement(self._owned_leg))
        if self._rental is not None:
            legs += self._rental.legs
        if self._audit is not None:
            legs += self._audit.legs
        self.call.legs = tuple(legs)
        self.call.tags.update(self._gateway.attribution.tags(self._exchange.named, self._asked.chat))
        self._rental = self._audit = None  # they know this call: freed at once, and not when the collector comes by
        self._gateway.record(self)

    def _with_agreement(self, leg: Leg) -> Leg:
        turn = self._turn
        if leg.purpose != "shadow" or turn is None or turn.answer is None:
            return leg
        rented = self._dialect.answer_text(self.call.response) if self.call.outcome == "ok" else None
        wrong = differs(turn.route.loss, turn.answer.text, rented) if rented is not None else None
        return judged(leg, turn.answer.text, wrong)


def _failed(result: Rented) -> bool:
    """Whether no provider gave an answer, and none refused the request for what it is."""
    if result.error is not None:
        return result.error.status >= 500 and not isinstance(result.error, MissingPrerequisite)
    return result.status == 429 or result.status >= 500


def _gladly() -> bool:
    return True


def _restricted(*, away: bool) -> RestrictedRefused:
    if away:
        return RestrictedUnavailable(
            "this task is restricted, and its owned model does not answer at this moment; the call may not be sent to "
            "a rented one",
            hint="try again; freehold doctor says what is wrong where it stays so",
        )
    return RestrictedRefused(
        "this task is restricted: no owned model may answer this call, and it may not be sent to a rented one",
        hint="promote an owned model for it, or change its data_class in freehold.toml",
    )
