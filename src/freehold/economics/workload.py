"""What a task's calls amount to: tokens and exact spend by day, arrivals in ten-minute windows, latency.

Built in one pass over calls. The spend is exact: tokens are summed as integers per price that was in force (model,
ten-minute window, band of prompt size) and priced as decimals once. Not known here: what a provider really billed.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from statistics import median

import msgspec

from freehold.analytics.findings import Leaner
from freehold.market.tokens import PriceBook
from freehold.vocabulary import COUNTS, ENDED_FREE, ZERO, Call, Source, Usage

from .bursts import PER_WINDOW, Bursts, bursts_of

WINDOW_S = 600
MONTH_DAYS = Decimal("30.44")
"""Days of a mean month; every monthly figure is scaled to it."""

MONTH_HOURS = 24 * float(MONTH_DAYS)
"""Hours of a mean month."""

LENGTHS_KEPT = 400
"""Calls whose lengths are kept, evenly over all of them in order of length."""

_TEN_US = 10_000_000
_DAY_US = 86_400_000_000


class DayUsage(msgspec.Struct, frozen=True):
    """One day's calls to one model in one service tier whose prompts fall into one band of its price list.

    `usd` is exact, at the prices of that day, for the calls whose cost is known; `unpriced_calls` state no tokens or
    have no price.
    """

    day: str
    provider: str
    model: str
    band_tokens: int
    calls: int
    usage: Usage
    usd: Decimal
    unpriced_calls: int = 0
    service_tier: str = ""


class Workload(msgspec.Struct, frozen=True):
    """A task's traffic as it was recorded, and what one recorded call stands for.

    `days_observed` is the length of the window that the log covers, not of the task's own first to last call where a
    window was given. `arrivals` counts calls per ten minutes, from the window's beginning, `bursts` says how they vary
    within, and `lengths` are prompt and output tokens of some calls. `weight` is the number of real calls that a
    recorded one stands for, `volume_factor` and `price_factor` the multiples of calls and of today's bill that somebody
    asked to see, `monthly_growth` the growth that somebody declared. `months_left`: until an announced shutdown of the
    model that it is rented from. `leaner`: what the same model could save.
    """

    calls: int
    days_observed: float
    days: tuple[DayUsage, ...]
    arrivals: tuple[int, ...]
    latency_ms: float | None
    weight: float = 1.0
    volume_factor: float = 1.0
    price_factor: float = 1.0
    failed_calls: int = 0
    monthly_growth: float | None = None
    sources: tuple[Source, ...] = ()
    bursts: Bursts = Bursts()
    lengths: tuple[tuple[int, int], ...] = ()
    months_left: float | None = None
    leaner: Leaner = Leaner()

    @property
    def months_observed(self) -> float:
        """Observed time in mean months."""
        return self.days_observed / float(MONTH_DAYS)

    @property
    def scale(self) -> Decimal:
        """Real calls a month per recorded call."""
        return Decimal(repr(self.weight)) * Decimal(repr(self.volume_factor)) * self.per_month

    @property
    def per_month(self) -> Decimal:
        """Observed windows of this length in a month."""
        return MONTH_DAYS / Decimal(repr(self.days_observed))

    @property
    def calls_per_month(self) -> float:
        """Calls a month, weight and factor included."""
        return float(self.calls * self.scale)

    @property
    def observed_usd(self) -> Decimal:
        """Exact cost of the recorded calls whose price is known, at the prices of their days."""
        return sum((day.usd for day in self.days), ZERO)

    @property
    def unpriced_calls(self) -> int:
        """Recorded calls whose cost nobody knows."""
        return sum(day.unpriced_calls for day in self.days)

    @property
    def usage(self) -> Usage:
        """Tokens of all recorded calls."""
        return add_usage(day.usage for day in self.days)

    @property
    def model(self) -> tuple[str, str]:
        """Provider and name of the model that answered most calls; two empty texts where there is no call."""
        counts: Counter[tuple[str, str]] = Counter()
        for day in self.days:
            counts[day.provider, day.model] += day.calls
        return max(counts, key=lambda key: (counts[key], key), default=("", ""))


def add_usage(usages: Iterable[Usage]) -> Usage:
    """Sum of token counts; estimated where any part is."""
    total = dict.fromkeys(COUNTS, 0)
    estimated = False
    for usage in usages:
        for field in COUNTS:
            total[field] += getattr(usage, field)
        estimated = estimated or usage.estimated
    return msgspec.structs.replace(Usage(estimated=estimated), **total)


class WorkloadBuilder:
    """Takes calls one by one, in any order, and keeps sums only.

    Args:
        prices: prices as the user pays them.
        rented_as: provider and model by which calls that an owned model answered are counted (they would have been
            rented from it); by default the most frequent rented model of the same log.
    """

    def __init__(self, prices: PriceBook | None = None, rented_as: tuple[str, str] | None = None) -> None:
        self._prices = prices or PriceBook()
        self._rented_as = rented_as
        self._groups: dict[tuple[str, str, int, int, str, bool], _Sums] = defaultdict(_Sums)
        self._tens: Counter[int] = Counter()
        self._prompts, self._outputs = array("q"), array("q")
        self._latencies_ms: list[float] = []
        self._models: Counter[tuple[str, str]] = Counter()
        self._first_us: int | None = None
        self._last_us = 0
        self._calls = self._failed = 0

    def add(self, call: Call) -> None:
        """Count one call. A call that failed counts as an arrival; it costs what its tokens cost, if it states any."""
        at_us = call.started_at_us
        self._first_us = at_us if self._first_us is None else min(self._first_us, at_us)
        self._last_us = max(self._last_us, at_us)
        self._calls += 1
        ten = at_us // _TEN_US
        window = ten // PER_WINDOW
        self._tens[ten] += 1
        if call.usage is not None:
            self._prompts.append(call.usage.prompt_tokens)
            self._outputs.append(call.usage.output_tokens)
        owned = call.owner == "owned"
        key = ("", "") if owned else (call.provider, call.model)
        if not owned:
            self._models[key] += 1
            if call.outcome == "ok" and call.latency_ms > 0:  # 0: the log does not say
                self._latencies_ms.append(call.latency_ms)
        if call.outcome != "ok":
            self._failed += 1
        free = call.outcome in ENDED_FREE and call.usage is None
        band = 0 if call.usage is None or owned else self._band(*key, window, call.usage.prompt_tokens)
        tier = "" if call.usage is None or owned else call.usage.service_tier
        plain = call.usage is None or call.usage.is_plain  # what may have no price makes no other call unknown
        self._groups[key[0], key[1], window, band, tier, plain].add(call.usage, free=free)

    def build(
        self,
        window_us: tuple[int, int] | None = None,
        *,
        weight: float = 1.0,
        volume_factor: float = 1.0,
        monthly_growth: float | None = None,
    ) -> Workload:
        """The workload of the calls so far.

        Args:
            window_us: from when to when the log was kept, which a rare task's own calls cannot tell; by default its
                first and last call.
            weight: real calls per recorded call.
            volume_factor: multiple of the volume to look at.
            monthly_growth: growth of calls a month that somebody declared, 0.02 for two per cent.
        """
        first_us, last_us = window_us or (self._first_us or 0, self._last_us)
        first_us, last_us = min(first_us, self._first_us or first_us), max(last_us, self._last_us)
        sources: dict[Source, None] = {}
        days = self._price(sources)
        start, end = (at_us // _TEN_US // PER_WINDOW for at_us in (first_us, last_us))
        windows: Counter[int] = Counter()
        for ten, calls in self._tens.items():
            windows[ten // PER_WINDOW] += calls
        return Workload(
            calls=self._calls,
            days_observed=max(last_us - first_us, 1_000_000) / _DAY_US,
            days=days,
            arrivals=tuple(windows.get(window, 0) for window in range(start, end + 1)),
            latency_ms=median(self._latencies_ms) if self._latencies_ms else None,
            weight=weight,
            volume_factor=volume_factor,
            failed_calls=self._failed,
            monthly_growth=monthly_growth,
            sources=tuple(sources),
            bursts=bursts_of(self._tens),
            lengths=self._lengths(),
        )

    def _lengths(self) -> tuple[tuple[int, int], ...]:
        pairs = sorted(zip(self._outputs, self._prompts, strict=True))
        step = max(1.0, len(pairs) / LENGTHS_KEPT)
        kept = (pairs[int((i + 0.5) * step)] for i in range(int(len(pairs) / step)))
        return tuple((prompt, output) for output, prompt in kept)

    def _band(self, provider: str, model: str, window: int, prompt_tokens: int) -> int:
        bands = self._prices.bands(provider, model, _moment(window))
        return max((start for start in bands if prompt_tokens > start), default=0)

    def _price(self, sources: dict[Source, None]) -> tuple[DayUsage, ...]:
        stand_in = self._rented_as or max(self._models, key=lambda key: (self._models[key], key), default=("", ""))
        days: dict[tuple[str, str, str, int, str], DayUsage] = {}
        for (provider, model, window, band, tier, _), sums in sorted(self._groups.items()):
            name = (provider, model) if (provider, model) != ("", "") else stand_in
            rates = self._prices.rates(*name, _moment(window), band + 1 if band else 0, tier)
            usage = sums.usage()
            usd = None if rates is None else rates.usd(usage, sums.stated)
            unpriced = sums.unstated + (sums.stated if usd is None else 0)
            if rates is not None:
                sources[rates.source] = None
            key = (_moment(window).date().isoformat(), name[0], name[1], band, tier)
            before = days.get(key) or DayUsage(*key[:4], 0, Usage(), ZERO, service_tier=tier)
            days[key] = msgspec.structs.replace(
                before,
                calls=before.calls + sums.calls,
                usage=add_usage((before.usage, usage)),
                usd=before.usd + (usd or ZERO),
                unpriced_calls=before.unpriced_calls + unpriced,
            )
        return tuple(days.values())


_counts = attrgetter(*COUNTS)


class _Sums:
    """Token sums of calls that one price covers. `stated`: calls with counts; `unstated`: without, and not free."""

    __slots__ = ("_usages", "calls", "stated", "unstated")

    def __init__(self) -> None:
        self.calls = self.stated = self.unstated = 0
        self._usages = [0] * len(COUNTS)

    def add(self, usage: Usage | None, *, free: bool) -> None:
        self.calls += 1
        if usage is None:
            self.unstated += not free
            return
        self.stated += 1
        self._usages = [total + count for total, count in zip(self._usages, _counts(usage), strict=True)]

    def usage(self) -> Usage:
        return msgspec.structs.replace(Usage(), **dict(zip(COUNTS, self._usages, strict=True)))


def build_workload(
    calls: Iterable[Call],
    prices: PriceBook | None = None,
    window_us: tuple[int, int] | None = None,
    *,
    weight: float = 1.0,
    volume_factor: float = 1.0,
) -> Workload:
    """`WorkloadBuilder` over calls that are all at hand."""
    builder = WorkloadBuilder(prices)
    for call in calls:
        builder.add(call)
    return builder.build(window_us, weight=weight, volume_factor=volume_factor)


def _moment(window: int) -> datetime:
    return datetime.fromtimestamp(window * WINDOW_S, UTC)
