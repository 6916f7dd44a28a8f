"""Money over time: present value, what capital costs a month, payback.

Textbook formulae, each over a first axis of periods and any axes of scenarios behind it. Rates are per period: a year's
rate becomes a month's by `monthly`. Nothing here knows taxes or inflation: flows and rates are nominal, before tax.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from .arrays import FloatArray

Numbers: TypeAlias = "float | FloatArray"


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


def paybacks(one_off: FloatArray, saved: FloatArray) -> FloatArray:
    """`payback` of every scenario, savings period by scenario; infinite where it is None."""
    total = np.cumsum(saved, axis=0)
    paid = total >= one_off
    first, at = paid.argmax(axis=0), np.arange(total.shape[1])
    reached = total[first, at]
    before = np.where(first > 0, total[first - 1, at], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        months = first + (one_off - before) / (reached - before)
    return np.where(paid.any(axis=0) & (reached > 0), months, np.inf)
