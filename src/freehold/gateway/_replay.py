"""Times of replayed calls: what a log says of them, believed only where `gateway.trust_replay_times` says so.

A replay sends last month's calls within a minute. Without their own times every figure by day, month or arrival would
be about the replay and not about the product.
"""

from __future__ import annotations

from datetime import UTC, datetime

from ._exchange import Exchange, Headers

STARTED_AT = b"x-freehold-started-at"
RECORDED_MS = b"recorded-latency-ms"
"""Header of a recorded answer: how long it took when it was recorded."""


def started_at_us(exchange: Exchange, now_us: int) -> int:
    """When the call was made: the time its replay states, or now. A time that cannot be read counts as none."""
    stated = exchange.header(STARTED_AT)
    if stated:
        try:
            at = datetime.fromisoformat(stated.decode("ascii"))
        except ValueError:
            return now_us
        return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1e6)
    return now_us


def recorded_ms(headers: Headers, *, trusted: bool) -> float | None:
    """How long a recorded answer took when it was recorded; None where nothing trustworthy says so."""
    for name, value in headers if trusted else ():
        if name == RECORDED_MS:
            try:
                return float(value)
            except ValueError:
                return None
    return None
