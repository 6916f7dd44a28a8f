"""How well the number of calls can be foreseen: a forecast judged on days it had not seen, beside the plainest one.

The forecast is a level with a trend, times a factor of the weekday (or of the hour): the factors beside a straight
line through the means of whole weeks, level and trend by Holt's exponential smoothing of counts without the factor, the
smoothing chosen on the days before the first that is forecast (Hyndman and Athanasopoulos, Forecasting: principles and
practice, chapter 8). The plainest one, seasonal naive, repeats the week (the day) before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from freehold.vocabulary import Interval

from ._arrivals import whole_days, whole_hours
from ._figures import LEVEL, Group, Statistic

Series = NDArray[np.float64]

_SMOOTHING = tuple((alpha, beta) for alpha in (0.05, 0.1, 0.2, 0.4, 0.8) for beta in (0.0, 0.02, 0.1))
_LEAST = 0.005
_FEWEST_DAYS = 21
_FEWEST_HOURS = 96
_DRAWS = 1000
_SEED = 20_260_714


class Judged(NamedTuple):
    """Absolute errors on what was held back, of the forecast and of the seasonal naive one, and what really came."""

    errors: Series
    naive: Series
    actual: Series


def predictability(minutes: Mapping[int, int]) -> list[Statistic]:
    """The forecast's error on held-back time, the plainest one's, and how many calls it expects next."""
    group = Group("predictability")
    days, hours = whole_days(minutes), whole_hours(minutes)
    if len(days) >= _FEWEST_DAYS:
        _judge(group, days, 7, "day", "week")
    elif len(hours) >= _FEWEST_HOURS:
        _judge(group, hours, 24, "hour", "day")
    else:
        why = (
            f"it takes {_FEWEST_DAYS} whole days or {_FEWEST_HOURS} whole hours; there are {len(days)} and {len(hours)}"
        )
        group.add("forecast_error", None, "share", len(hours), "error of a forecast on held-back time", why=why)
    return group.made


def forecast(past: Series, season: int, ahead: int) -> Series:
    """Counts of the next `ahead` units, from those so far; at least two seasons are needed."""
    units = np.arange(len(past))
    phase = units % season
    means = np.convolve(past, np.full(season, 1 / season), mode="valid")
    line = np.polynomial.Polynomial.fit(units[: len(means)] + (season - 1) / 2, means, 1)(units)
    least = _LEAST * max(float(past.mean()), _LEAST)
    beside = np.maximum(past, least) / np.maximum(line, 10 * least)
    factors = np.array([beside[phase == i].mean() for i in range(season)])
    plain = past / (factors / factors.mean())[phase]
    alpha, beta = min(_SMOOTHING, key=lambda pair: _holt(plain, *pair, season).error)
    found = _holt(plain, alpha, beta, season)
    steps = np.arange(1, ahead + 1)
    coming = (len(past) + steps - 1) % season
    return np.maximum(0.0, found.level + found.trend * steps) * (factors / factors.mean())[coming]


def judged(series: Series, season: int) -> Judged:
    """Forecast the last quarter (whole seasons, one at least), one season at a time, each from all before it."""
    seasons = max(1, len(series) // 4 // season)
    starts = [len(series) - k * season for k in range(seasons, 0, -1)]
    ours = np.concatenate([forecast(series[:start], season, season) for start in starts])
    naive = np.concatenate([series[start - season : start] for start in starts])
    actual = series[starts[0] :]
    return Judged(np.abs(actual - ours), np.abs(actual - naive), actual)


def _judge(group: Group, series: Series, season: int, unit: str, period: str) -> None:
    found = judged(series, season)
    n, held = (
        len(found.actual),
        f"the last {len(found.actual)} {unit}s, forecast a {period} at a time from those before",
    )
    if not found.actual.any():
        group.add("forecast_error", None, "share", n, f"error of a forecast on {held}", why="no call came then")
        return
    for name, errors, which in (
        ("forecast_error", found.errors, "level and rhythm"),
        ("naive_error", found.naive, f"the same as the {period} before"),
    ):
        definition = f"sum of absolute errors over sum of calls, on {held}; forecast: {which}"
        value = float(errors.sum() / found.actual.sum())
        interval = _interval(errors, found.actual)
        group.add(name, value, "share", n, definition, interval=interval, why=f"by drawing {unit}s anew (bootstrap)")
    better = 1 - float(found.errors.sum()) / max(float(found.naive.sum()), 1e-9)
    group.add(
        "forecast_gain",
        better if found.naive.any() else None,
        "share",
        n,
        f"how much smaller the forecast's error is than that of repeating the {period} before; below 0 it is larger",
        why="a comparison of the two above",
    )
    coming = float(forecast(series, season, season).sum())
    definition = f"calls expected in the {period} that follows the last whole {unit}"
    group.add("expected_next", coming, f"calls a {period}", len(series), definition, why="its error is forecast_error")


def _interval(errors: Series, actual: Series) -> Interval:
    draws = np.random.default_rng(_SEED).integers(0, len(errors), size=(_DRAWS, len(errors)))
    sums = actual[draws].sum(axis=1)
    ratios = errors[draws].sum(axis=1)[sums > 0] / sums[sums > 0]
    low, high = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), LEVEL)


class _Holt(NamedTuple):
    level: float
    trend: float
    error: float


def _holt(plain: Series, alpha: float, beta: float, season: int) -> _Holt:
    """Level and trend after the last unit, and the sum of squared errors one unit ahead, the first season left out."""
    level, trend, error = float(plain[:season].mean()), 0.0, 0.0
    if beta:
        trend = float(plain[season : 2 * season].mean() - plain[:season].mean()) / season
    for i, value in enumerate(plain):
        ahead = level + trend
        error += (float(value) - ahead) ** 2 if i >= season else 0.0
        before, level = level, ahead + alpha * (float(value) - ahead)
        trend += beta * (level - before - trend)
    return _Holt(level, trend, error)
