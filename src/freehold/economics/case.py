"""One task's workload at one price date, as the numbers every option is computed from."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import msgspec
import numpy as np

from freehold.market.tokens import PriceBook
from freehold.vocabulary import ZERO, Source

from .arrays import FloatArray
from .capacity.sizing import Arrivals, arrivals_of
from .workload import MONTH_HOURS, WINDOW_S, DayUsage, Workload

_SMOOTHING_WINDOWS = 3


class Case(msgspec.Struct, frozen=True):
    """What a month of the task is: calls, tokens, today's bill, the peak.

    `rent_usd` is exact: the tokens of a month at the prices of `as_of`, None where a price is unknown; calls without
    token counts are taken at the mean of the rest. `bill_usd` is the same at the prices of the calls' own days.
    `peak_calls_per_window` is the highest half-hour's mean per ten minutes, so that the chance of few recorded calls
    does not count as a peak once each stands for many. `arrivals`: how calls come, for the size of fleets.
    `peak_ratio`: times over the usual that the busiest time is, where somebody asks for that.
    """

    provider: str
    model: str
    calls: float
    rent_usd: Decimal | None
    bill_usd: Decimal | None
    peak_calls_per_window: float
    prompt_tokens_per_call: float
    output_tokens_per_call: float
    latency_ms: float | None
    as_of: datetime
    sources: tuple[Source, ...]
    arrivals: Arrivals
    peak_ratio: float = 1.0

    @property
    def rented(self) -> str:
        """Today's model as people name it: with its provider, where the calls say one."""
        return f"{self.provider}/{self.model}" if self.provider else self.model

    def peak_per_s(self, volume: FloatArray, burst_ratio: FloatArray) -> FloatArray:
        """Calls per second in the peak minute, with three standard deviations of chance above the mean."""
        mean = self.peak_calls_per_window * self.peak_ratio * volume
        return (mean + 3 * np.sqrt(mean)) / WINDOW_S * burst_ratio

    def mean_per_s(self, volume: FloatArray) -> FloatArray:
        """Calls per second over the month."""
        return self.calls * volume / (MONTH_HOURS * 3600)


def build_case(workload: Workload, prices: PriceBook, as_of: datetime) -> Case:
    """The case of a workload at the prices of `as_of`."""
    provider, model = workload.model
    sources: dict[Source, None] = {}
    today, counted = ZERO, 0
    for day in workload.days:
        usd = _at_todays_price(day, prices, as_of, sources)
        if usd is not None:
            today, counted = today + usd, counted + day.calls - day.unpriced_calls
    priced = workload.calls - workload.unpriced_calls
    usage = workload.usage
    weight = workload.weight * workload.volume_factor
    per_call = (usage.prompt_tokens / max(1, priced), usage.output_tokens / max(1, priced))
    return Case(
        provider=provider,
        model=model,
        calls=workload.calls_per_month,
        rent_usd=_whole(workload, today, counted),
        bill_usd=_whole(workload, workload.observed_usd, priced),
        peak_calls_per_window=_peak(workload.arrivals) * weight,
        prompt_tokens_per_call=per_call[0],
        output_tokens_per_call=per_call[1],
        latency_ms=workload.latency_ms,
        as_of=as_of,
        sources=tuple(sources),
        arrivals=_arrivals(workload, per_call),
    )


def _arrivals(workload: Workload, per_call: tuple[float, float]) -> Arrivals:
    lengths = workload.lengths or ((round(per_call[0]), max(1, round(per_call[1]))),)
    return arrivals_of(workload.arrivals, WINDOW_S, workload.bursts, lengths, workload.weight, workload.volume_factor)


def _at_todays_price(day: DayUsage, prices: PriceBook, as_of: datetime, sources: dict[Source, None]) -> Decimal | None:
    """What a day's known calls would cost at the prices of `as_of`.

    The day's exact spend, times the change of price since, judged at one hour of both days: a price list that knows
    cheap hours keeps them.
    """
    then = datetime.combine(date.fromisoformat(day.day), as_of.timetz())
    prompt_tokens = day.band_tokens + 1 if day.band_tokens else 0
    stated = day.calls - day.unpriced_calls
    amounts: list[Decimal] = []
    for moment in (then, as_of):
        rates = prices.rates(day.provider, day.model, moment, prompt_tokens, day.service_tier)
        usd = None if rates is None else rates.usd(day.usage, stated)
        if rates is None or usd is None:
            return None
        amounts.append(usd)
    sources[rates.source] = None
    before, now = amounts
    return day.usd if before == now or not before else day.usd * now / before


def _whole(workload: Workload, usd: Decimal, counted: int) -> Decimal | None:
    """A month's bill from the `counted` calls that `usd` covers; None where that is under half of them."""
    if 2 * counted < workload.calls or not counted:
        return None
    return usd * workload.calls / counted * workload.scale * Decimal(repr(workload.price_factor))


def _peak(arrivals: tuple[int, ...]) -> float:
    if not arrivals:
        return 0.0
    width = min(_SMOOTHING_WINDOWS, len(arrivals))
    sums = np.convolve(np.asarray(arrivals, dtype=np.float64), np.ones(width), mode="valid")
    return float(sums.max()) / width
