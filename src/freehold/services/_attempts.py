"""The attempts of a recorded call, and the tokens that each is charged for: one rule for whoever prices them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from freehold.vocabulary import Call, Leg, Usage, reasons

SERVING = frozenset({"serve", "escalate", "fallback", "hedge"})
"""Why legs are run that may answer the client."""


class Attempt(NamedTuple):
    """One attempt: its leg, what it used where that is known, and whether the client got its answer."""

    leg: Leg
    usage: Usage | None
    answered: bool


def attempts(call: Call) -> list[Attempt]:
    """Every attempt at a call; for one without recorded attempts that went to a provider (an imported one), itself."""
    if not call.legs and _cost_something(call):
        whole = Leg("serve", call.owner, call.provider, call.model, call.outcome, call.status)
        whole = msgspec.structs.replace(whole, latency_ms=call.latency_ms, ttft_ms=call.ttft_ms, usage=call.usage)
        return [_attempt(call, whole, answered=call.owner != "none")]
    answering = _answering(call)
    return [_attempt(call, leg, answered=number == answering) for number, leg in enumerate(call.legs)]


def _cost_something(call: Call) -> bool:
    """Whether a call without recorded attempts went to a provider: an imported one, say, and no refused one."""
    return call.owner == "rented" and call.reason != reasons.CACHE_HIT


def _answering(call: Call) -> int | None:
    """The attempt whose answer the client got, or the beginning of one: the last that served on the same side."""
    numbers = [n for n, leg in enumerate(call.legs) if leg.purpose in SERVING and leg.owner == call.owner]
    alike = [n for n in numbers if call.legs[n].outcome == call.outcome]
    return max(alike or numbers, default=None)


def _attempt(call: Call, leg: Leg, *, answered: bool) -> Attempt:
    # A client that left has its prompt counted with the call alone; the attempt holds what came of the answer.
    usage = call.usage if answered and call.usage is not None else leg.usage
    return Attempt(leg, usage, answered)
