"""Questions whose answers need the calls themselves: what could be saved while renting, and which calls make workflows.

One pass over the newest calls of a window, in order of time; what each figure rests on is said with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from freehold.analytics.batching import Batchable, BatchMeter
from freehold.analytics.context import ContextMeter, UnusedTool
from freehold.analytics.conversations import Conversations
from freehold.analytics.prefixes import Cacheable, PrefixMeter
from freehold.analytics.seen import Seen, look, rented_legs, run_of
from freehold.analytics.waste import Wasted, WasteMeter
from freehold.analytics.workflows import How, Step, Workflow, WorkflowMeter
from freehold.economics.workload import MONTH_DAYS
from freehold.vocabulary import ENDED_FREE, ZERO
from freehold.wire.known import DIALECTS

from .home import Home, Progress, silent
from .windows import Looked, Window, moment, newest

MOST_CALLS = 100_000
"""So many of the newest calls are looked at unless somebody asks for more: about ten seconds' work."""


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


class Workflows(msgspec.Struct, frozen=True):
    """Calls that belong together.

    `single` runs hold one call. `unchained` calls state neither trace nor session, and continue no other.
    """

    looked: Looked
    workflows: tuple[Workflow, ...]
    single: int
    unchained: int


class _Pass:
    """One walk over the newest calls, counting what was seen."""

    def __init__(self, home: Home, window: Window, most: int, progress: Progress) -> None:
        self._home = home
        self._calls, self._held = newest(home, window, most)
        self._progress = progress
        self.count = self.first_us = self.last_us = 0

    def __iter__(self) -> Iterator[Seen]:
        names = {task.id: task.name for task in self._home.registry.tasks()}
        for call, match in self._home.recognise(self._calls):
            self.count += 1
            self.first_us = self.first_us or call.started_at_us
            self.last_us = call.started_at_us
            if self.count % 5000 == 0:
                self._progress(f"looking at {self.count:,} calls")
            yield look(call, names.get(match.task_id, "") if match is not None else "")

    def looked(self) -> Looked:
        """What the figures rest on."""
        if not self.count:
            return Looked(0, self._held, "", "")
        return Looked(self.count, self._held, moment(self.first_us), moment(self.last_us))


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
    walk = _Pass(home, window, most, progress)
    for seen in walk:
        empty += not seen.call.request
        usd, known = _cost(home, seen)
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


def workflows(home: Home, window: Window, *, most: int = MOST_CALLS, progress: Progress = silent) -> Workflows:
    """Chains of calls by trace, session or conversation."""
    meter, conversations = WorkflowMeter(), Conversations()
    waiting: dict[str, Step] = {}  # first calls of what may become conversations
    walk = _Pass(home, window, most, progress)
    for seen in walk:
        how, run = _chained(seen, conversations)
        usd, known = _cost(home, seen)
        call, cost = seen.call, usd if known else None
        step = Step(run, how, seen.task, call.started_at_us, seen.ended_us, cost, ok=call.outcome == "ok")
        if how == "conversation" and run == call.id:
            waiting[run] = step
            continue
        if how == "conversation" and run in waiting:
            meter.add(waiting.pop(run))
        meter.add(step)
    return Workflows(walk.looked(), tuple(meter.workflows()), meter.single(), len(waiting))


def _chained(seen: Seen, conversations: Conversations) -> tuple[How, str]:
    kind, run = run_of(seen.call)
    if kind == "trace":
        return "trace", run
    if kind == "session":
        return "session", run
    if seen.chat is None:
        return "conversation", seen.call.id
    dialect = DIALECTS[seen.call.dialect]
    answer = dialect.answer_text(seen.call.response) if seen.call.response else None
    return "conversation", conversations.add(seen, answer).conversation


def _cost(home: Home, seen: Seen) -> tuple[Decimal, bool]:
    """What a call's requests to rented models cost, and whether all of it is known."""
    usd, known = ZERO, True
    for leg in rented_legs(seen.call):
        if leg.usage is None:
            known = known and leg.outcome in ENDED_FREE
            continue
        priced = home.prices.price_leg(seen.call, leg, leg.usage).usd
        known = known and priced is not None
        usd += priced or ZERO
    return usd, known
