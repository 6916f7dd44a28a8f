"""One question to an owned model: its answer, whether that is sure enough to be served, and the leg it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.errors import FreeholdError
from freehold.vocabulary import Answer, Leg, Purpose, Route, reasons

from ._answers import fits, judged
from ._router import Resolution

if TYPE_CHECKING:
    from freehold.wire.dialects import Asked

    from .app import Gateway


class OwnedTurn:
    """Asks the owned model of a route. Whatever goes wrong with it, the call goes on.

    After `ask`: `answer` None where there is none; `sure` and `in_scope` by the route's thresholds; `reason` says why
    it may be served (`sure`) or not.
    """

    __slots__ = ("_gateway", "_latency_ms", "_offset_ms", "answer", "error", "in_scope", "reason", "route", "sure")

    def __init__(self, gateway: Gateway, route: Route) -> None:
        self._gateway = gateway
        self.route = route
        self.answer: Answer | None = None
        self.error = ""
        self.in_scope = self.sure = False
        self.reason: str = reasons.OWNED_FAILED
        self._offset_ms = self._latency_ms = 0.0

    async def ask(self, resolution: Resolution, asked: Asked, began: float) -> None:
        """Ask. `began` is when the call came, so that the leg says when in it this began."""
        gateway, route, started = self._gateway, self.route, self._gateway.watch()
        try:
            self.answer = await gateway.owned.ask(route, resolution.inputs)
        except TimeoutError:
            self.error = "the owned model did not answer in time"
        except Exception as fault:  # noqa: BLE001 -- a broken student escalates, it never breaks a call
            reason = fault.message if isinstance(fault, FreeholdError) else type(fault).__name__
            self.error = f"the owned model failed: {reason}"
        self._offset_ms = (started - began) * 1000.0
        self._latency_ms = (gateway.watch() - started) * 1000.0
        if self.answer is not None:
            self._judge(self.answer, asked)
        result = "failed" if self.answer is None else "sure" if self.sure else "unsure"
        result = "out_of_scope" if self.answer is not None and not self.in_scope else result
        gateway.metrics.owned[route.task_name, result] += 1

    def leg(self, purpose: Purpose, *, served: bool) -> Leg:
        """What the ledger keeps of it. The answer itself only where no client got it."""
        answer = self.answer
        return Leg(
            purpose=purpose,
            owner="owned",
            provider="owned",
            model=self.route.student_id,
            outcome="error" if answer is None else "ok",
            offset_ms=self._offset_ms,
            latency_ms=self._latency_ms,
            confidence=answer.confidence if answer is not None else None,
            in_scope=self.in_scope if answer is not None else None,
            answer=None if answer is None or served else answer.text,
            error=self.error,
        )

    def compared(self, leg: Leg, wrong: bool | None) -> Leg:  # noqa: FBT001 -- a result, not a switch
        """The leg with whether owned and rented agreed."""
        return judged(leg, self.answer.text if self.answer is not None else None, wrong)

    def _judge(self, answer: Answer, asked: Asked) -> None:
        route = self.route
        self.in_scope = answer.scope >= route.scope_threshold
        self.sure = answer.confidence >= route.threshold and self.in_scope
        if not self.in_scope:
            self.reason = reasons.OUT_OF_SCOPE
        elif not self.sure:
            self.reason = reasons.UNSURE
        else:
            self.reason = reasons.SURE if fits(asked.chat, answer.text) else reasons.TOO_LONG
