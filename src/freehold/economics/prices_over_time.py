"""What one customer pays for one model, and for a GPU-hour, month by month: paths of prices over scenarios.

A rented price is a step function: it stays, is cut or raised in jumps, or ends with its model, whose successor has
another price and costs the labour of moving. Cuts and rises come at constant rates (Poisson), sizes are lognormal in
the logarithm of the factor; shutdowns come at a known date, or at a constant rate after a notice. The logarithm of a
GPU's rent falls back to its level, with small shocks every month and jumps now and then.

Rates and sizes are `freehold.market.price_process`, with how well each is known. Not here: the market's frontier, which
falls much faster and reaches those who move to a cheaper model of their own accord; contracts; correlation of rented
prices with GPU prices.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np

from freehold.market.price_process import Jumps, PriceFacts, Rental, Stated, price_facts

from .arrays import P90_SCORE, FloatArray, Inputs
from .options import people_usd
from .workload import MONTH_DAYS

LARGEST_JUMP = 8.0
"""Larger factors were taken for mistakes where the rates were fitted, so that none is drawn."""
SMALLEST_JUMP = 1.02


class RentedModel(NamedTuple):
    """What is known of the model's own future.

    `months_left` until an announced shutdown, None where none is; `quiet_months`: no shutdown before then.
    `successor_ratio`: the successor's price over this model's, None where nobody knows which it will be.
    """

    months_left: float | None = None
    quiet_months: float = 0.0
    successor_ratio: float | None = None


class PricePaths(NamedTuple):
    """Month by scenario; month 0 is today's price.

    `rented`: the price over today's. `moves`: forced moves to a successor in that month. `gpu`: dollars an hour over
    today's.
    """

    rented: FloatArray
    moves: FloatArray
    gpu: FloatArray

    def moving_usd(self, inputs: Inputs) -> FloatArray:
        """What the forced moves cost in engineers' hours (`migration_hours`), month by scenario."""
        return self.moves * people_usd(inputs["migration_hours"], inputs)


def months_until(shutdown: date, today: date) -> float:
    """Months of mean length until a day; 0 where it has passed."""
    return max(0.0, (shutdown - today).days / float(MONTH_DAYS))


def draw_paths(
    months: int,
    scenarios: int,
    *,
    seed: int = 0,
    model: RentedModel | None = None,
    facts: PriceFacts | None = None,
    gpu_now_usd: float | None = None,
    exact: bool = False,
) -> PricePaths:
    """Paths of prices: `months` rows, one column per scenario.

    Args:
        months: how many, today's included.
        scenarios: how many columns.
        seed: the same seed draws the same paths.
        model: what is known of the model.
        facts: how prices move; those of this release by default.
        gpu_now_usd: today's rent of a GPU-hour, of the kind whose level the facts state; the level by default.
        exact: rates and sizes are as stated; otherwise each scenario draws them from their intervals first.
    """
    facts = facts or price_facts()
    rng = np.random.default_rng([seed, 5])
    logs = _jumps(facts.cuts, months, scenarios, rng, exact=exact)
    rises = _jumps(facts.rises, months, scenarios, rng, exact=exact)
    moves, ends = _ends(facts, months, scenarios, rng, model or RentedModel(), exact=exact)
    rented = np.exp(np.cumsum(rises - logs + ends, axis=0))
    gpu = _gpu(facts.gpu, months, scenarios, rng, gpu_now_usd or facts.gpu.level_usd)
    return PricePaths(rented, moves, gpu)


def jump_sizes(jumps: Jumps, n: int, rng: np.random.Generator, median: FloatArray | float | None = None) -> FloatArray:
    """Absolute logarithms of `n` jumps' factors, within the smallest and the largest that count as one."""
    centre = np.log(np.log(jumps.factor.mid if median is None else median))
    sizes = np.exp(centre + jumps.spread.mid * rng.standard_normal(n))
    return np.clip(sizes, np.log(SMALLEST_JUMP), np.log(LARGEST_JUMP))


def _jumps(jumps: Jumps, months: int, scenarios: int, rng: np.random.Generator, *, exact: bool) -> FloatArray:
    """Logarithms by which prices jump, positive, month by scenario; none in month 0."""
    per_month = _known(jumps.per_year, scenarios, rng, exact=exact) / 12
    median = np.maximum(_known(jumps.factor, scenarios, rng, exact=exact), SMALLEST_JUMP)
    counts = rng.poisson(np.broadcast_to(per_month, (months, scenarios)))
    counts[0] = 0
    moved = np.zeros((months, scenarios))
    at = np.nonzero(counts)
    for _ in range(int(counts.max(initial=0))):  # twice in one month is rare
        moved[at] += jump_sizes(jumps, len(at[0]), rng, median[at[1]])
        counts[at] -= 1
        at = np.nonzero(counts > 0)
    return moved


def _ends(
    facts: PriceFacts, months: int, scenarios: int, rng: np.random.Generator, model: RentedModel, *, exact: bool
) -> tuple[FloatArray, FloatArray]:
    """Forced moves, and the logarithm of the successors' prices, month by scenario."""
    hazard = np.maximum(_known(facts.ends.per_year, scenarios, rng, exact=exact), 1e-9) / 12
    moves, logs = np.zeros((months, scenarios)), np.zeros((months, scenarios))
    if model.months_left is not None:
        at = np.full(scenarios, max(1.0, model.months_left))
    else:
        at = model.quiet_months + _notice(facts.ends.notice_days, scenarios, rng) + rng.exponential(1 / hazard)
    first = True
    while (at < months - 0.5).any():
        due = np.flatnonzero(at < months - 0.5)
        month = np.maximum(1, np.rint(at[due]).astype(int))
        known = first and model.successor_ratio is not None
        ratio = np.full(len(due), model.successor_ratio) if known else _successor(facts, len(due), rng)
        np.add.at(moves, (month, due), 1)
        np.add.at(logs, (month, due), np.log(ratio))
        at[due] += _notice(facts.ends.notice_days, len(due), rng) + rng.exponential(1 / hazard[due])
        first = False
    return moves, logs


def _notice(days: Stated, n: int, rng: np.random.Generator) -> FloatArray:
    """Months between an announcement and the shutdown: what nobody has announced today cannot happen sooner."""
    return np.maximum(0.5, _spread(days, rng.standard_normal(n)) / float(MONTH_DAYS))


def _successor(facts: PriceFacts, n: int, rng: np.random.Generator) -> FloatArray:
    """Ratios of price, the stated quantiles met in logarithms, no further out than the largest jump."""
    stated = facts.ends.successor_price
    logs = Stated(float(np.log(stated.low)), float(np.log(stated.mid)), float(np.log(stated.high)))
    return np.exp(np.clip(_spread(logs, rng.standard_normal(n)), -np.log(LARGEST_JUMP), np.log(LARGEST_JUMP)))


def _gpu(rental: Rental, months: int, scenarios: int, rng: np.random.Generator, now_usd: float) -> FloatArray:
    keep = 0.5 ** (1 / rental.half_life_months)
    steady = rental.monthly_shock * (1 - rental.jump_share) ** 0.5
    chance = rental.jumps_per_year / 12
    size = rental.monthly_shock * (rental.jump_share / max(chance, 1e-9)) ** 0.5
    level = float(np.log(rental.level_usd))
    logs = np.empty((months, scenarios))
    logs[0] = np.log(now_usd)
    for month in range(1, months):
        shock = steady * rng.standard_normal(scenarios)
        jumped = rng.random(scenarios) < chance
        shock += np.where(jumped, size * rng.standard_normal(scenarios), 0.0)
        logs[month] = level + keep * (logs[month - 1] - level) + shock
    return np.exp(logs - logs[0])


def _known(stated: Stated, n: int, rng: np.random.Generator, *, exact: bool) -> FloatArray:
    """A figure as well as it is known: one value for each scenario."""
    z = rng.standard_normal(n)  # drawn in any case, so that `exact` changes nothing else
    return np.full(n, stated.mid) if exact else np.maximum(0.0, _spread(stated, z))


def _spread(stated: Stated, z: FloatArray) -> FloatArray:
    """A split normal through P10, P50 and P90."""
    return stated.mid + z * np.where(z > 0, stated.high - stated.mid, stated.mid - stated.low) / P90_SCORE
