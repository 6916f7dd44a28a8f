"""A question whose answer needs the calls themselves: what could be saved while renting.

One pass over the newest calls of a window, in order of time; what each figure rests on is said with it.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from freehold.analytics.batching import Batchable, BatchMeter
from freehold.analytics.context import ContextMeter, UnusedTool
from freehold.analytics.prefixes import Cacheable, PrefixMeter
from freehold.analytics.waste import Wasted, WasteMeter
from freehold.economics.workload import MONTH_DAYS
from freehold.vocabulary import ZERO

from ._pass import MOST_CALLS, Pass, cost
from .home import Home, Progress, silent
from .windows import Looked, Window

__all__ = ["MOST_CALLS", "Savings", "savings"]


class Savings(msgspec.Struct, frozen=True):
    """What could be saved while renting on as today, without owning anything.

    The parts overlap: a call that moves to a batch saves less by a cache. `days` is the time that the calls looked at
    cover, so that `monthly` can tell a month's worth. `spent_usd` is what those calls cost, `unpriced` of them unknown.
    """

    looked: Looked
    days: float
    spent_usd: Decimal
    unpriced: int
    without_bodies: int
    caching: tuple[Cacheable, ...]
    batching: tuple[Batchable, ...]
    waste: tuple[Wasted, ...]
    unused_tools: tuple[UnusedTool, ...]

    def monthly(self, usd: Decimal | None) -> Decimal | None:
        """An amount of the time looked at, for a mean month at the same rate; None where that is less than an hour."""
        if usd is None or self.days < 1 / 24:
            return None
        return usd * MONTH_DAYS / Decimal(repr(self.days))


def savings(home: Home, window: Window, *, most: int = MOST_CALLS, progress: Progress = silent) -> Savings:
    """Prompt caching, batches and waste, per task and model."""
    prices = home.prices
    caching, batching, waste, context = (
        PrefixMeter(prices),
        BatchMeter(prices),
        WasteMeter(prices),
        ContextMeter(prices),
    )
    spent, unpriced, empty = ZERO, 0, 0
    walk = Pass(home, window, most, progress)
    for seen in walk:
        empty += not seen.call.request
        usd, known = cost(home, seen)
        spent += usd
        unpriced += not known
        for meter in (caching, batching, waste, context):
            meter.add(seen)
    return Savings(
        looked=walk.looked(),
        days=max(walk.last_us - walk.first_us, 0) / 86_400e6,
        spent_usd=spent,
        unpriced=unpriced,
        without_bodies=empty,
        caching=tuple(caching.rows()),
        batching=tuple(batching.rows()),
        waste=tuple(sorted((*waste.rows(), *context.rows()), key=lambda row: (-row.usd, -row.tokens))),
        unused_tools=tuple(context.unused_tools()),
    )
