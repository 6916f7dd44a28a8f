"""Which calls could wait for a batch, told from what the log says of who waits for them; and what that would save.

Providers answer batches within a day, for less. A call cannot wait where somebody is seen to wait: it was streamed, or
another call of the same run began within `FOLLOWED_S` of its end. That nobody is seen to wait does not prove that
nobody does: a person has to know, and the row says what was looked at.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Generic, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import structs

from freehold.evidence.intervals import two_sided
from freehold.market.tokens import PriceBook
from freehold.vocabulary import BATCH_TIER, ZERO, Source

from .seen import Seen, rented_legs, run_of

FOLLOWED_S = 600
"""A call of the same run that begins within so many seconds of another's end used its answer, for all that is known."""

WAITED = 0.01
"""The share of calls for which somebody is seen to wait, up to which a task's calls could be batched."""

Item = TypeVar("Item")

Could = Literal["yes", "partly", "no", "already"]
"""`yes`: somebody is seen to wait in at most 1 % of the calls; `partly`: in fewer than half. `already`: batched."""


class Batchable(msgspec.Struct, frozen=True):
    """Whether one task's calls to one model could be batched.

    `streamed` and `followed` count calls where somebody is seen to wait; `waited_interval` is the exact 95 % interval
    of their share. `usd` is what the calls that could wait cost, `saved_usd` what a batch would have saved of it; None
    where no batch price is known. `known_runs` of the calls state a trace or a session: without them nobody can see
    what follows.
    """

    task: str
    provider: str
    model: str
    calls: int
    batched: int
    streamed: int
    followed: int
    known_runs: int
    waited_interval: tuple[float, float]
    could: Could
    usd: Decimal
    saved_usd: Decimal | None
    price: Source


class _Costs(NamedTuple):
    """What calls cost, what they would in a batch, and how many of them have a part that nobody can price."""

    usd: Decimal = ZERO
    batch_usd: Decimal = ZERO
    unpriced: int = 0

    def more(self, other: _Costs, sign: int = 1) -> _Costs:
        usd, batch_usd = self.usd + sign * other.usd, self.batch_usd + sign * other.batch_usd
        return _Costs(usd, batch_usd, self.unpriced + sign * other.unpriced)


class _Sums:
    __slots__ = ("batched", "calls", "costs", "followed", "known_runs", "source", "streamed")

    def __init__(self) -> None:
        self.calls = self.batched = self.streamed = self.followed = self.known_runs = 0
        self.costs = _Costs()
        self.source = Source("unknown: no batch price", "")


class Waits(Generic[Item]):
    """The latest call of each run, which another may follow yet: until then nobody is seen to have waited for it."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], tuple[int, Item]] = {}

    def followed(self, run: tuple[str, str], started_us: int) -> Item | None:
        """What was held of the run's call that one beginning then follows; it is held no longer."""
        last = self._last.get(run)
        if last is None or not 0 <= started_us - last[0] <= FOLLOWED_S * 1_000_000:
            return None
        del self._last[run]
        return last[1]

    def hold(self, run: tuple[str, str], ended_us: int, item: Item) -> None:
        """Hold a call that ended then; one that states no run is followed by none that anybody can see."""
        if run[0]:
            self._last[run] = ended_us, item


class BatchMeter:
    """Takes calls in order of time, and keeps sums and the latest call of each run."""

    def __init__(self, prices: PriceBook) -> None:
        self._prices = prices
        self._sums: dict[tuple[str, str, str], _Sums] = defaultdict(_Sums)
        self._waits: Waits[tuple[_Sums, _Costs]] = Waits()

    def add(self, seen: Seen) -> None:
        """Count one call; those that no rented model answered do not count."""
        call = seen.call
        if call.owner != "rented" or call.outcome != "ok" or not call.model:
            return
        sums = self._sums[seen.task, call.provider, call.model]
        sums.calls += 1
        run = run_of(call)
        sums.known_runs += bool(run[0])
        if (followed := self._waits.followed(run, call.started_at_us)) is not None:
            earlier, costs = followed
            earlier.followed += 1
            earlier.costs = earlier.costs.more(costs, -1)
        if call.usage is not None and call.usage.service_tier == BATCH_TIER:
            sums.batched += 1
        elif call.streamed:
            sums.streamed += 1
        else:
            costs = self._costs(seen, sums)
            sums.costs = sums.costs.more(costs)
            self._waits.hold(run, seen.ended_us, (sums, costs))

    def rows(self) -> list[Batchable]:
        """One row for every task and model, those that would save most first."""
        found = [self._row(key, sums) for key, sums in self._sums.items()]
        return sorted(found, key=lambda row: (-(row.saved_usd or ZERO), -row.calls, row.task, row.model))

    def _costs(self, seen: Seen, sums: _Sums) -> _Costs:
        """What the call cost, and what it would have cost in a batch."""
        usd = batch_usd = ZERO
        unpriced = False
        for leg in rented_legs(seen.call):
            if leg.usage is None:
                continue
            now = self._prices.price_leg(seen.call, leg, leg.usage)
            batched = structs.replace(leg.usage, service_tier=BATCH_TIER)
            then = self._prices.price_leg(seen.call, leg, batched)
            usd, batch_usd = usd + (now.usd or ZERO), batch_usd + (then.usd or ZERO)
            unpriced = unpriced or now.usd is None or then.usd is None
            sums.source = then.source
        return _Costs(usd, batch_usd, unpriced)

    def _row(self, key: tuple[str, str, str], sums: _Sums) -> Batchable:
        waited = sums.streamed + sums.followed
        interval = two_sided(waited, sums.calls)
        return Batchable(
            *key,
            calls=sums.calls,
            batched=sums.batched,
            streamed=sums.streamed,
            followed=sums.followed,
            known_runs=sums.known_runs,
            waited_interval=(interval.low, interval.high),
            could=_could(sums),
            usd=sums.costs.usd,
            saved_usd=None if sums.costs.unpriced else max(ZERO, sums.costs.usd - sums.costs.batch_usd),
            price=sums.source,
        )


def _could(sums: _Sums) -> Could:
    if sums.batched == sums.calls:
        return "already"
    waited = (sums.streamed + sums.followed) / sums.calls
    return "yes" if waited <= WAITED else "partly" if waited < 0.5 else "no"
