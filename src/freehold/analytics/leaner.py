"""What the same model could cost less for a task's calls, told while they go by: prompt caching, and batches.

What `freehold savings` shows in full (`prefixes`, `batching`), by task and cheap enough for every verdict.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from freehold.evidence.intervals import two_sided
from freehold.market.tokens import PriceBook
from freehold.vocabulary import BATCH_TIER, ZERO, Call

from .batching import Waits
from .findings import Leaner
from .prefixes import LEAST_TOKENS, PrefixMeter
from .seen import Seen, look, run_of


class _Counts:
    __slots__ = ("batched", "calls", "eligible", "known_runs", "waited")

    def __init__(self) -> None:
        self.calls = self.waited = self.known_runs = self.batched = self.eligible = 0


class LeanMeter:
    """Takes the calls of all tasks in order of time; keeps counts, digests and the latest call of each run."""

    def __init__(self, prices: PriceBook) -> None:
        self._prefixes = PrefixMeter(prices, apart=True)
        self._waits: Waits[_Counts] = Waits()
        self._counts: dict[str, _Counts] = defaultdict(_Counts)

    def add(self, call: Call, task: str) -> None:
        """Take one call into account; those that no rented model answered do not count."""
        if call.owner != "rented" or call.outcome != "ok":
            return
        counts, (kind, name) = self._counts[task], run_of(call)
        counts.calls += 1
        counts.known_runs += bool(kind)
        run = kind, f"{task}\n{name}"
        earlier = self._waits.followed(run, call.started_at_us)
        if earlier is not None:
            earlier.waited += 1
        if call.usage is not None and call.usage.service_tier == BATCH_TIER:
            counts.batched += 1
        elif call.streamed:
            counts.waited += 1
        else:
            self._waits.hold(run, Seen(call, task, None).ended_us, counts)
        if call.usage is not None and call.usage.prompt_tokens >= LEAST_TOKENS:  # no other is worth parsing
            counts.eligible += 1
            self._prefixes.add(look(call, task))

    def leaner(self) -> dict[str, Leaner]:
        """What was seen so far, by task; a task without such a call is left out."""
        saved: dict[str, Decimal | None] = {}
        for row in self._prefixes.rows():
            before = saved.get(row.task, ZERO)
            saved[row.task] = None if before is None or row.saved_usd is None else before + row.saved_usd
        return {
            task: Leaner(
                counts.calls,
                counts.waited,
                counts.known_runs,
                counts.batched,
                counts.eligible,
                saved.get(task, ZERO),
                two_sided(counts.waited, counts.calls).high,
            )
            for task, counts in self._counts.items()
        }
