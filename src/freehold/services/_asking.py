"""Asking another model for a sample of calls: several at a time, within a budget, each answer kept as it comes."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from freehold.errors import FreeholdError
from freehold.gateway.renting import Asked, Renter
from freehold.market.tokens import PriceBook
from freehold.vocabulary import ZERO, Call, Usage

from ._purse import Purse
from .home import Progress

ATTEMPTS = 4
_LONGEST_PAUSE_S = 30.0
_ALL_REFUSED = 20
"""Where so many are refused and none is answered, the rest would be too."""

Keep = Callable[[Call, str, Asked], None]
Price = Callable[[Usage | None], Decimal | None]


class Wanted(NamedTuple):
    """A call to be asked again, its prompt version, and the most it may cost (None: unknown, and allowed to be)."""

    call: Call
    template_id: str
    worst_usd: Decimal | None


class Done(NamedTuple):
    """How asking went. `stopped`: why it ended before everything was asked, "" where it did not."""

    answers: dict[str, Asked]
    refused: frozenset[str]
    failed: frozenset[str]
    errors: dict[str, int]
    spent_usd: Decimal | None
    stopped: str


def price_of(prices: PriceBook, provider: str, model: str) -> Price:
    """What an answer cost at the price of now; None where nobody knows."""
    from datetime import UTC, datetime

    def price(usage: Usage | None) -> Decimal | None:
        return None if usage is None else prices.price_usage(provider, model, usage, datetime.now(UTC)).usd

    return price


class Asking:
    """One run over a sample, in its order.

    Args:
        renter: who is asked.
        purse: what it may cost.
        price: what an answer cost.
        keep: keeps an answer.
        progress: told how far it is.
    """

    def __init__(self, renter: Renter, purse: Purse, price: Price, keep: Keep, progress: Progress) -> None:
        self._renter, self._purse, self._price, self._keep, self._progress = renter, purse, price, keep, progress
        self._waiting: deque[Wanted] = deque()
        self._answers: dict[str, Asked] = {}
        self._refused: set[str] = set()
        self._failed: set[str] = set()
        self._errors: Counter[str] = Counter()
        self._unpriced = False
        self._stopped = ""

    async def run(self, wanted: Sequence[Wanted], at_once: int) -> Done:
        """Ask for everything, until it is done, the budget is, or nothing more would be answered.

        Raises:
            RestrictedRefused: a call that may not leave got here; nothing of it was sent.
        """
        self._waiting.extend(wanted)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(wanted))):
                group.create_task(self._work(len(wanted)))
        unknown = self._unpriced and not self._renter.played
        return Done(
            self._answers,
            frozenset(self._refused),
            frozenset(self._failed),
            dict(self._errors.most_common()),
            None if unknown else self._purse.spent_usd,
            self._stopped,
        )

    async def _work(self, many: int) -> None:
        while self._waiting and not self._stopped:
            one = self._waiting.popleft()
            await self._one(one)
            self._progress(f"asked {many - len(self._waiting):,} of {many:,}, spent {self._purse.spent_usd:.4f} USD")

    async def _one(self, one: Wanted) -> None:
        came = Asked("failed")
        for attempt in range(ATTEMPTS):
            reserved = one.worst_usd or ZERO
            if not await self._purse.reserve(reserved):
                self._stop(f"the budget of {self._purse.budget_usd} USD does not carry another call")
                return
            cost = reserved  # whatever goes wrong in between, it may have been charged
            try:
                came = await self._renter.ask(one.call)
                cost = self._cost(came, reserved)
            finally:
                await self._purse.settle(reserved, cost)
            if came.again_s is None or attempt + 1 == ATTEMPTS or self._stopped:
                break
            await asyncio.sleep(min(_LONGEST_PAUSE_S, max(came.again_s, 0.05) * 2**attempt))
        self._note(one, came)

    def _cost(self, came: Asked, reserved: Decimal) -> Decimal:
        """What an attempt is taken to have cost: as its answer states, all that was reserved where nobody can tell."""
        if self._renter.played:
            return ZERO
        if came.came != "answered":
            return reserved if came.billed else ZERO
        usd = self._price(came.usage)
        self._unpriced = self._unpriced or usd is None
        return reserved if usd is None else usd

    def _note(self, one: Wanted, came: Asked) -> None:
        if came.came == "answered":
            self._answers[one.call.id] = came
            self._keep(one.call, one.template_id, came)
            return
        self._errors[came.why or came.came] += 1
        if came.came == "refused":
            self._refused.add(one.call.id)
            if len(self._refused) >= _ALL_REFUSED and not self._answers:
                self._stop(f"the first {_ALL_REFUSED} calls were refused ({came.why})")
        else:
            self._failed.add(one.call.id)
        if came.came == "hopeless":
            self._stop(f"no call would be answered: {came.why}")

    def _stop(self, why: str) -> None:
        self._stopped = self._stopped or why


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error behind a group of them: ours if there is one."""
    found = [first_error(one) if isinstance(one, BaseExceptionGroup) else one for one in group.exceptions]
    return next((error for error in found if isinstance(error, FreeholdError)), found[0])
