"""A budget that is asked before every call that costs money, by as many askers at once as there are."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from freehold.vocabulary import ZERO


class Purse:
    """So many dollars. What a call may cost at most is reserved before it is made, and settled when it is over.

    Spent and reserved together never exceed the budget, as long as no call costs more than was reserved for it.
    `overdrawn_usd` is by how much one did.
    """

    def __init__(self, budget_usd: Decimal) -> None:
        self.budget_usd = budget_usd
        self.spent_usd = self.reserved_usd = self.overdrawn_usd = ZERO
        self._changed = asyncio.Condition()

    async def reserve(self, usd: Decimal) -> bool:
        """Set money aside, waiting while others' reservations may still come back; False: it is not there."""
        async with self._changed:
            while self.spent_usd + self.reserved_usd + usd > self.budget_usd:
                if self.spent_usd + usd > self.budget_usd or not self.reserved_usd:
                    return False
                await self._changed.wait()
            self.reserved_usd += usd
            return True

    async def settle(self, reserved_usd: Decimal, usd: Decimal) -> None:
        """A call is over and cost `usd`."""
        async with self._changed:
            self.reserved_usd -= reserved_usd
            self.spent_usd += usd
            self.overdrawn_usd += max(ZERO, usd - reserved_usd)
            self._changed.notify_all()
