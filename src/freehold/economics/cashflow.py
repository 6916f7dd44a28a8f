"""Money over time: present value, internal rate, what capital costs a month, payback.

Textbook formulae, each over a first axis of periods and any axes of scenarios behind it. Rates are per period: a year's
rate becomes a month's by `monthly`. Nothing here knows taxes or inflation: flows and rates are nominal, before tax.
"""

from __future__ import annotations

from typing import TypeAlias, cast

import numpy as np
from scipy.optimize import brentq

from .arrays import FloatArray

Numbers: TypeAlias = "float | FloatArray"

_RATES: FloatArray = np.concatenate((np.linspace(-0.99, 1, 400), np.geomspace(1.01, 1000, 200)))
"""Rates per period between which an internal rate is looked for."""


def monthly(rate_per_year: Numbers) -> Numbers:
    """A month's rate that compounds to the year's."""
    return (1 + rate_per_year) ** (1 / 12) - 1


def discounts(rate: Numbers, periods: int) -> FloatArray:
    """What a dollar at the end of each of the periods is worth today, period by scenario."""
    rates = np.asarray(rate, dtype=np.float64)
    ends = np.arange(1, periods + 1, dtype=np.float64).reshape(-1, *(1,) * rates.ndim)
    return (1 + rates) ** -ends


def npv(rate: Numbers, flows: FloatArray) -> FloatArray:
    """Present value of flows: the first is today's and undiscounted, the others at the ends of their periods."""
    if len(flows) == 1:
        return np.asarray(flows[0], dtype=np.float64)
    return flows[0] + np.sum(flows[1:] * discounts(rate, len(flows) - 1), axis=0)


def irr(flows: FloatArray) -> float | None:
    """The rate per period at which one row of flows is worth nothing; None where there is none, or more than one.

    Looked for between -99 % and 100,000 % a period.
    """
    values = npv(_RATES, flows[:, None])
    at = np.flatnonzero(np.sign(values[:-1]) * np.sign(values[1:]) < 0)
    exact = np.flatnonzero(values == 0)
    if len(at) + len(exact) != 1:
        return None
    if len(exact):
        return float(_RATES[exact[0]])
    low, high = float(_RATES[at[0]]), float(_RATES[at[0] + 1])

    def worth(rate: float) -> float:
        return float(npv(rate, flows))

    return float(cast("float", brentq(worth, low, high, xtol=1e-13)))


def capital_recovery(rate: Numbers, periods: Numbers) -> FloatArray:
    """The level payment per period that repays a dollar of today: r / (1 - (1 + r)^-n), or 1/n at r = 0."""
    rates, n = np.broadcast_arrays(np.asarray(rate, dtype=np.float64), np.asarray(periods, dtype=np.float64))
    # expm1 and log1p keep the digits that 1 - (1 + r)^-n loses at small rates.
    with np.errstate(divide="ignore", invalid="ignore"):
        level = rates / -np.expm1(-n * np.log1p(rates))
    return np.where(rates == 0, 1 / n, level)


def cost_of_capital(price: Numbers, residual: Numbers, rate: Numbers, periods: Numbers) -> FloatArray:
    """What owning a thing costs per period: its price less what it sells for at the end, as a level payment."""
    kept = price - residual * (1 + np.asarray(rate, dtype=np.float64)) ** -np.asarray(periods, dtype=np.float64)
    return np.asarray(kept * capital_recovery(rate, periods))


def payback(one_off: float, saved: FloatArray) -> float | None:
    """Periods until one row of savings has paid the one-off, undiscounted and within a period in proportion.

    None: not within the periods given. Where nothing is saved, nothing is paid back, even if nothing was spent.
    """
    total = np.cumsum(saved)
    paid = np.flatnonzero(total >= one_off)
    if not len(paid) or total[paid[0]] <= 0:
        return None
    at = int(paid[0])
    before = float(total[at - 1]) if at else 0.0
    return at + (one_off - before) / (float(total[at]) - before)


def winning(volumes: FloatArray, values: FloatArray) -> tuple[tuple[float, float | None], ...]:
    """Where values lie above zero, as intervals of volume; an open end is None. Borders lie where a line crosses zero.

    A set and not one number: fixed steps (machines, people) make a saving fall where a step begins.
    """
    above = np.concatenate(([False], values > 0, [False]))
    found: list[tuple[float, float | None]] = []
    for first, end in zip(
        np.flatnonzero(~above[:-1] & above[1:]), np.flatnonzero(above[:-1] & ~above[1:]), strict=True
    ):
        low = float(volumes[0]) if first == 0 else _zero(volumes, values, int(first) - 1)
        high = None if end == len(volumes) else _zero(volumes, values, int(end) - 1)
        found.append((low, high))
    return tuple(found)


def _zero(x: FloatArray, y: FloatArray, at: int) -> float:
    step = float(y[at + 1] - y[at])
    return float(x[at]) - float(y[at]) * float(x[at + 1] - x[at]) / step
