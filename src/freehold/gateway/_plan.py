"""Who is to answer a call, and why: decided once, from what is known before anybody is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from freehold.vocabulary import reasons
from freehold.wire.dialects import Asked

from ._router import Resolution

if TYPE_CHECKING:
    from .app import Gateway

Plan = Literal["rent", "own", "shadow", "refuse"]
"""`own`: ask the owned model, and serve what it is sure of. `shadow`: ask it, and serve the rented answer."""

_SHARE_STEPS = 1 << 32
_STAGED = frozenset({"shadow", "canary", "full"})


def plan_of(gateway: Gateway, resolution: Resolution, asked: Asked, draw: int) -> tuple[Plan, str]:
    """The plan and its reason (a code of `freehold.vocabulary.reasons`). `draw`: 64 random bits of this call."""
    restricted = resolution.data_class != "ordinary"
    route = resolution.route
    reason = _obstacle(gateway, resolution, asked)
    if not reason and route is not None:
        if route.stage == "full" or (route.stage == "canary" and chosen(draw, route.canary_share, 0)):
            return "own", reasons.SURE
        if route.stage == "shadow" and not restricted:
            return "shadow", reasons.SHADOW
        reason = reasons.SHADOW if route.stage == "shadow" else reasons.NOT_IN_CANARY
    return ("refuse", reasons.RESTRICTED) if restricted else ("rent", reason)


def is_away(gateway: Gateway, resolution: Resolution, asked: Asked) -> bool:
    """Whether an owned model serves the call's task and is merely not there at this moment."""
    return _obstacle(gateway, resolution, asked) == reasons.OWNED_NOT_LOADED


def chosen(draw: int, share: float, bits: int) -> bool:
    """Whether a call is in a share of all calls. `bits` picks the part of its draw, so that shares are independent."""
    return (draw >> bits) % _SHARE_STEPS < share * _SHARE_STEPS


def _obstacle(gateway: Gateway, resolution: Resolution, asked: Asked) -> str:
    """Why the owned model is not asked, "" where it is."""
    route = resolution.route
    if not resolution.task_id or route is None:
        return reasons.NO_TASK
    facts = (
        (route.stage == "demoted", reasons.DEMOTED),
        (route.stage not in _STAGED, reasons.NO_OWNED_MODEL),
        (route.paused or gateway.router.table.paused, reasons.PAUSED),
        (resolution.template_id not in route.template_ids, reasons.TEMPLATE_NOT_COVERED),
        (bool(asked.obstacle), reasons.ASKS_WHAT_OWNED_CANNOT_GIVE),
        (not gateway.owned.can_ask(route), reasons.OWNED_NOT_LOADED),
    )
    return next((reason for holds, reason in facts if holds), "")
