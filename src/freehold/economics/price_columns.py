"""Paths of prices as columns of scenarios: which path each scenario meets, joined with the other inputs.

`prices_over_time` draws paths; here each scenario is given one of them, from cheap to dear over the horizon of the
decision, by the rank that `dependence` gives it: so paths keep their own distribution exactly, and dear tokens meet
dear machines as often as is stated. Where inputs have their values, prices stay, and what is announced happens.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from freehold.market.price_process import price_facts

from .arrays import FloatArray, Inputs
from .dependence import GPU_PATH, MODEL_PATH, SIBLING_PATH, ranks
from .prices_over_time import RentedModel, draw_paths

MONTHS = 60
"""How far paths go: as far as payback is looked for."""
MODEL, MODEL_ENDS, SIBLING, SIBLING_ENDS, GPU = (
    "model_price",
    "model_ends",
    "sibling_price",
    "sibling_ends",
    "gpu_price",
)
"""Columns, each month by scenario: price over today's, and forced moves to a successor in that month."""

_ORDERED_BY = 24


def at_rest(n: int, model: RentedModel) -> Inputs:
    """`n` scenarios in which prices stay as they are, but for an announced end, whose successor costs the median."""
    price, ends = np.ones((MONTHS, 1)), np.zeros((MONTHS, 1))
    if model.months_left is not None and (month := max(1, round(model.months_left))) < MONTHS:
        price[month:] = model.successor_ratio or price_facts().ends.successor_price.mid
        ends[month] = 1.0
    rest = np.ones((MONTHS, 1))
    columns = {MODEL: price, MODEL_ENDS: ends, SIBLING: rest, SIBLING_ENDS: np.zeros((MONTHS, 1)), GPU: rest}
    return {name: np.broadcast_to(column, (MONTHS, n)) for name, column in columns.items()}


@lru_cache(maxsize=16)
def _drawn(n: int, seed: int, model: RentedModel) -> tuple[FloatArray, ...]:
    mine = draw_paths(MONTHS, n, seed=seed, model=model)
    other = draw_paths(MONTHS, n, seed=seed + 1)
    at = _placed(mine.rented, MODEL_PATH, seed)
    beside = _placed(other.rented, SIBLING_PATH, seed)
    gpu = _placed(mine.gpu, GPU_PATH, seed)
    return mine.rented[:, at], mine.moves[:, at], other.rented[:, beside], other.moves[:, beside], mine.gpu[:, gpu]


def drawn(n: int, seed: int, model: RentedModel) -> Inputs:
    """`n` scenarios of paths. The same seed draws the same, whatever other inputs there are."""
    return dict(zip((MODEL, MODEL_ENDS, SIBLING, SIBLING_ENDS, GPU), _drawn(n, seed, model), strict=True))


def _placed(paths: FloatArray, name: str, seed: int) -> npt.NDArray[np.intp]:
    """Which path each scenario meets: the k-th cheapest where the scenario's rank is k."""
    order = np.argsort(np.log(paths[:_ORDERED_BY]).mean(axis=0), kind="stable")
    return order[ranks(name, paths.shape[1], seed).astype(np.intp)]
