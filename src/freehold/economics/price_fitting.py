"""From what price lists said over time to how prices move: events, rates, sizes, each with its interval and n.

A price list is edited by people: most of what changes in it is not a change of a price. `events` keeps what a provider
did to one model, by stated rules, none of which looks at a name; `fit_jumps` counts it per model-year.
Not told apart here: a price that moved because an alias began to mean another model.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from itertools import pairwise
from math import log
from typing import NamedTuple

import numpy as np

from freehold.market.price_process import Jumps, Stated

from .arrays import FloatArray
from .workload import MONTH_DAYS

INPUT_WEIGHT = 0.75
"""Three tokens in for one out: the mix by which a price of two parts becomes one."""

_YEAR_DAYS = 365.25
_RESAMPLED = 999


class Sighting(NamedTuple):
    """What one list said on one day of what one seller asks for one model, in US dollars per million tokens."""

    source: str
    seller: str
    model: str
    day: date
    input_usd_per_mtok: float
    output_usd_per_mtok: float


class Rules(NamedTuple):
    """What is no price event.

    `settling_days`: a list's first days correct what its compilers copied. `least`: a smaller relative change is
    rounding. `most`: a larger factor, of input or output, is a mistake of units or its repair. `batch`: so many models
    of one seller on one day are an import. `undone_days`: what returns to the earlier price within them was an error,
    both ways. `alive_days`: lists keep dead models, so that a model counts for no longer than this.
    """

    settling_days: int = 30
    least: float = 0.02
    most: float = 8.0
    batch: int = 10
    undone_days: int = 180
    alive_days: int = 730


class Event(NamedTuple):
    """One change of one model's price. `factor`: the price after over the price before."""

    seller: str
    model: str
    day: date
    factor: float


class Found(NamedTuple):
    """What is left of a history: events, what the others were, and the model-years in which events could happen."""

    events: tuple[Event, ...]
    dropped: Counter[str]
    years: dict[tuple[str, str], float]


class _Change(NamedTuple):
    before: Sighting
    after: Sighting

    @property
    def factor(self) -> float:
        return _price(self.after) / _price(self.before)


def events(history: Iterable[Sighting], until: dict[str, date], rules: Rules | None = None) -> Found:
    """Price events in what lists said.

    Args:
        history: every list's first sight of a model and every change after it, in any order.
        until: the last day on which each list was looked at, by source.
        rules: what is no event.
    """
    rules = rules or Rules()
    series: dict[tuple[str, str, str], list[Sighting]] = defaultdict(list)
    for one in sorted(history, key=lambda one: one.day):
        series[one.source, one.seller, one.model].append(one)
    begun = {source: min(s[0].day for key, s in series.items() if key[0] == source) for source in until}
    settled = {source: day + timedelta(days=rules.settling_days) for source, day in begun.items()}
    by_series = [[_Change(*pair) for pair in pairwise(one)] for one in series.values()]
    changes = [change for one in by_series for change in one]
    batches = Counter((change.after.source, change.after.seller, change.after.day) for change in changes)
    undone = {id(change) for one in by_series for change in _undone(one, rules)}
    kept: list[Event] = []
    dropped: Counter[str] = Counter()
    for change in changes:
        after = change.after
        why = _no_event(change, rules, settled[after.source])
        if not why and batches[after.source, after.seller, after.day] >= rules.batch:
            why = "import"
        if not why and id(change) in undone:
            why = "undone"
        if why:
            dropped[why] += 1
        else:
            kept.append(Event(after.seller, after.model, after.day, change.factor))
    years: dict[tuple[str, str], float] = defaultdict(float)
    for (source, seller, model), one in series.items():
        start = max(one[0].day, settled[source])
        end = min(until[source], one[0].day + timedelta(days=rules.alive_days))
        if end > start and any(_priced(sighting) for sighting in one):
            years[seller, model] += (end - start).days / _YEAR_DAYS
    return Found(tuple(kept), dropped, dict(years))


def fit_jumps(found: Found, *, up: bool, seed: int = 0) -> Jumps:
    """Rate a model-year and sizes of the rises, or of the cuts.

    A size is the absolute logarithm of the factor, and its logarithm is taken as normal. Intervals are P10 and P90 of
    999 histories resampled by seller, because one seller's prices move together.

    Raises:
        ValueError: there is no such event, or no model-year.
    """
    sellers = sorted({seller for seller, _ in found.years})
    place = {seller: i for i, seller in enumerate(sellers)}
    years = np.zeros(len(sellers))
    for (seller, _), spent in found.years.items():
        years[place[seller]] += spent
    sizes: list[list[float]] = [[] for _ in sellers]
    for event in found.events:
        if (event.factor > 1) == up and event.seller in place:
            sizes[place[event.seller]].append(log(abs(log(event.factor))))
    n = sum(len(one) for one in sizes)
    if not n or not years.sum():
        raise ValueError("there is no such event in this history")
    generator = np.random.default_rng(seed)
    drawn: list[tuple[float, float, float]] = []
    for _ in range(_RESAMPLED):
        chosen = generator.integers(0, len(sellers), len(sellers))
        pooled = np.array([size for i in chosen for size in sizes[int(i)]])
        if len(pooled) > 1:
            drawn.append(
                (len(pooled) / float(years[chosen].sum()), float(np.median(pooled)), float(pooled.std(ddof=1)))
            )
    all_sizes = np.concatenate([np.array(one) for one in sizes])
    low, high = np.percentile(np.array(drawn), (10, 90), axis=0) if drawn else np.full((2, 3), np.nan)

    def stated(value: float, at: int, shown: Callable[[float], float] = float) -> Stated:
        return Stated(round(shown(float(low[at])), 4), round(shown(value), 4), round(shown(float(high[at])), 4))

    def factor(size: float) -> float:
        return float(np.exp(np.exp(size)))

    return Jumps(
        per_year=stated(n / float(years.sum()), 0),
        factor=stated(float(np.median(all_sizes)), 1, factor),
        spread=stated(float(all_sizes.std(ddof=1)) if n > 1 else 0.0, 2),
        n=n,
        model_years=round(float(years.sum()), 1),
    )


def fit_reversion(days: Sequence[date], prices: Sequence[float], half_life_months: float) -> tuple[float, float]:
    """Level and monthly spread of a price whose logarithm falls back to its level, from dated points.

    The half-life is given: a handful of points cannot tell it from the spread. Most likely level, most likely spread
    of independent monthly shocks; a few points mean that both are wide.

    Returns:
        the level, in the prices' unit, and the standard deviation of one month's shock to the logarithm.

    Raises:
        ValueError: fewer than three points.
    """
    if len(prices) < 3:
        raise ValueError("three points at least")
    logs = np.log(np.array(prices))
    months = np.diff([day.toordinal() for day in days]) / float(MONTH_DAYS)
    kept = 0.5 ** (months / half_life_months)
    monthly = 0.5 ** (1 / half_life_months)
    width = (1 - kept**2) / (1 - monthly**2)
    moved, pull = logs[1:] - kept * logs[:-1], 1 - kept
    level = float(np.sum(pull * moved / width) / np.sum(pull**2 / width))
    spread = float(np.sqrt(np.mean((moved - pull * level) ** 2 / width)))
    return float(np.exp(level)), spread


def quantiles(values: Sequence[float]) -> Stated:
    """P10, P50 and P90."""
    low, mid, high = (round(float(value), 4) for value in np.percentile(np.array(values), (10, 50, 90)))
    return Stated(low, mid, high)


def rate(n: int, years: float) -> Stated:
    """Events a year with P10 and P90 of the exact interval of a Poisson count."""
    from scipy.stats import chi2

    low = float(chi2.ppf(0.1, 2 * n)) / 2 if n else 0.0
    return Stated(round(low / years, 4), round(n / years, 4), round(float(chi2.ppf(0.9, 2 * n + 2)) / 2 / years, 4))


def _price(one: Sighting) -> float:
    return INPUT_WEIGHT * one.input_usd_per_mtok + (1 - INPUT_WEIGHT) * one.output_usd_per_mtok


def _priced(one: Sighting) -> bool:
    return one.input_usd_per_mtok > 0 and one.output_usd_per_mtok > 0


def _no_event(change: _Change, rules: Rules, settled: date) -> str:
    """Why a change is no price event, judged by itself; "" where it may be one."""
    before, after = change
    if not (_priced(before) and _priced(after)):
        return "no price before or after"
    if after.day <= settled:
        return "first import"
    if abs(change.factor - 1) < rules.least:
        return "rounding"
    parts: FloatArray = np.array(
        [after.input_usd_per_mtok / before.input_usd_per_mtok, after.output_usd_per_mtok / before.output_usd_per_mtok]
    )
    return "units" if max(parts.max(), 1 / parts.min()) > rules.most else ""


def _undone(changes: Sequence[_Change], rules: Rules) -> list[_Change]:
    """Changes of one model in one list of which one undoes the other."""
    found: list[_Change] = []
    for first in changes:
        for second in changes:
            days = (second.after.day - first.after.day).days
            if 0 < days <= rules.undone_days and _priced(first.before) and _priced(second.after):
                back = _price(second.after) / _price(first.before)
                if abs(back - 1) < rules.least:
                    found += [first, second]
    return found
