"""When calls come: volume, growth, bursts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from freehold.vocabulary import Interval

from ._figures import LEVEL, Group, Statistic, regression

MINUTES_A_DAY = 1440
_MONTH_DAYS = 365.25 / 12
_FEWEST_DAYS = 7
_WEEK = 7


def volume(minutes: Mapping[int, int], first_us: int, last_us: int) -> list[Statistic]:
    """Calls, days, calls a day and growth, of counts by minute since the epoch."""
    group = Group("volume")
    n = sum(minutes.values())
    group.add("calls", float(n), "calls", n, "calls recorded", why="a count of all, no estimate")
    days = (last_us - first_us) / 86_400e6
    group.add("days", days, "days", n, "from the first call to the last", why="observed, no estimate")
    whole = whole_days(minutes)
    _per_day(group, whole)
    _growth(group, whole)
    return group.made


def whole_days(minutes: Mapping[int, int]) -> NDArray[np.float64]:
    """Calls on each whole UTC day: without the first and the last, which are cut."""
    return _counts(minutes, MINUTES_A_DAY)[1:-1]


def whole_hours(minutes: Mapping[int, int]) -> NDArray[np.float64]:
    """Calls in each whole hour."""
    return _counts(minutes, 60)[1:-1]


def bursts(minutes: Mapping[int, int]) -> list[Statistic]:
    """Peak to mean in windows of three lengths, beside what chance alone would give."""
    group = Group("burstiness")
    n = sum(minutes.values())
    for width, name in ((1, "1_min"), (10, "10_min"), (60, "60_min")):
        definition = (
            f"largest count in {width} min over the mean count, of all such windows from the first call to the last"
        )
        if n < 2:
            group.add(f"peak_to_mean_{name}", None, "times", n, definition, why="fewer than two calls")
            continue
        counts = _window_counts(minutes, width)
        mean = n / counts.windows
        low, high = (float(stats.poisson.ppf(q ** (1 / counts.windows), mean)) / mean for q in (0.025, 0.975))
        group.add(
            f"peak_to_mean_{name}",
            counts.largest / mean,
            "times",
            n,
            definition,
            why="a maximum that was observed; a longer log has a larger one",
            note=f"independent arrivals at this rate: {low:.3g} to {high:.3g}",
        )
    return group.made


class _Windows:
    __slots__ = ("largest", "windows")

    def __init__(self, largest: int, windows: int) -> None:
        self.largest, self.windows = largest, windows


def _window_counts(minutes: Mapping[int, int], width: int) -> _Windows:
    first = min(minutes)
    counts: Counter[int] = Counter()
    for minute, count in minutes.items():
        counts[(minute - first) // width] += count
    return _Windows(max(counts.values()), max(counts) + 1)


def _counts(minutes: Mapping[int, int], width: int) -> NDArray[np.float64]:
    if not minutes:
        return np.zeros(0)
    units: Counter[int] = Counter()
    for minute, count in minutes.items():
        units[minute // width] += count
    first, last = min(units), max(units)
    found = np.zeros(last - first + 1)
    for unit, count in units.items():
        found[unit - first] = count
    return found


def _per_day(group: Group, days: NDArray[np.float64]) -> None:
    n = len(days)
    definition = "mean of whole UTC days, the first and the last day left out"
    if not n:
        group.add("calls_per_day", None, "calls", 0, definition, why="no whole day was recorded")
        return
    if n < _FEWEST_DAYS:
        why = f"{n} whole days are too few for an interval; it takes {_FEWEST_DAYS}"
        group.add("calls_per_day", float(days.mean()), "calls", n, definition, why=why)
        return
    beta, error = regression(np.ones((n, 1)), days, _WEEK)
    half = float(stats.t.ppf(0.975, n - 1)) * float(error[0])
    interval = Interval(max(0.0, float(beta[0]) - half), float(beta[0]) + half, LEVEL)
    why = "bears with a week's rhythm (Newey and West); of days like these"
    group.add("calls_per_day", float(beta[0]), "calls", n, definition, interval=interval, why=why)


def _growth(group: Group, days: NDArray[np.float64]) -> None:
    n = len(days)
    definition = "factor a month, by a line through the logarithms of whole days' counts (plus a half); 1 is no growth"
    if n < _FEWEST_DAYS or not days.any():
        why = f"it takes {_FEWEST_DAYS} whole days, there are {n}"
        group.add("growth_per_month", None, "times", n, definition, why=why)
        return
    design = np.column_stack([np.ones(n), np.arange(n, dtype=np.float64)])
    beta, error = regression(design, np.log(days + 0.5), _WEEK)
    slope = float(beta[1]) * _MONTH_DAYS
    half = float(stats.t.ppf(0.975, n - 2)) * float(error[1]) * _MONTH_DAYS
    enough = n >= 2 * _WEEK
    interval = Interval(_exp(slope - half), _exp(slope + half), LEVEL) if enough else None
    why = "bears with a week's rhythm (Newey and West)" if enough else f"{n} whole days are no two weeks"
    group.add(
        "growth_per_month", _exp(slope), "times", n, definition, interval=interval, why=why, note="a fit, no forecast"
    )


def _exp(x: float) -> float:
    return math.exp(min(x, 700.0))
