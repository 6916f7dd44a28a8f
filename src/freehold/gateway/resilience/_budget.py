"""How many retries a provider may be sent: a share of the calls it is sent anyway, so that no storm can be made."""

from __future__ import annotations

RESERVE = 5.0
"""Retries that can be saved up, and are at hand at the start."""
FLOOR_PER_S = 0.5
"""Retries that come back every second however little traffic there is."""


class RetryBudget:
    """A bucket of tokens for one provider: each call puts a share of one in, each retry takes a whole one out.

    In any span of time, retries ≤ RESERVE + share x calls + FLOOR_PER_S x seconds.

    Args:
        share: what a call puts in, 0.2 for a retry to every fifth call.
        now: the clock's present reading, in seconds.
    """

    __slots__ = ("_at", "share", "tokens")

    def __init__(self, share: float, now: float) -> None:
        self.share = share
        self.tokens = RESERVE
        self._at = now

    def put(self) -> None:
        """A call has been sent."""
        if self.tokens < RESERVE:
            self.tokens += self.share

    def take(self, now: float) -> bool:
        """Take a retry out, if there is one."""
        self.tokens = min(RESERVE, self.tokens + FLOOR_PER_S * max(0.0, now - self._at))
        self._at = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True
