"""How prices have moved so far: rates and sizes of cuts and rises, ends of models, the rent of GPUs. Dated facts.

Each was fitted to histories that are no part of the product (`price_process.toml` names them, and
`benchmarks/price_process.py` fits them again); each carries its interval and the number of events behind it.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import msgspec

FILE_NAME = "price_process.toml"


class Stated(msgspec.Struct, frozen=True, array_like=True):
    """A figure with its P10 and P90; of a spread of cases, or of not knowing it better: its owner says which."""

    low: float
    mid: float
    high: float


class Jumps(msgspec.Struct, frozen=True):
    """Jumps of one model's price in one direction.

    `per_year`: a model-year. `factor`: the median jump, over 1, by which the price is multiplied or divided. `spread`:
    standard deviation of the logarithm of its size (the absolute logarithm of the factor). Intervals are of not knowing
    better. `n` events in `model_years`.
    """

    per_year: Stated
    factor: Stated
    spread: Stated
    n: int
    model_years: float


class Ends(msgspec.Struct, frozen=True):
    """Shutdowns of models.

    `per_year`: a model-year, with the interval of a count. `notice_days`: between announcement and shutdown;
    `successor_price`: price of the recommended successor over that of the model. Both P10, P50, P90 of the cases.
    """

    per_year: Stated
    notice_days: Stated
    successor_price: Stated
    n: int
    n_notices: int
    n_successors: int
    model_years: float


class Rental(msgspec.Struct, frozen=True):
    """The price of a GPU-hour: its logarithm falls back to its level by half in `half_life_months`.

    `monthly_shock`: standard deviation of a month's shock to the logarithm; `jump_share` of its variance comes as
    `jumps_per_year` jumps. `assumed` names what no history can tell.
    """

    level_usd: float
    half_life_months: float
    monthly_shock: float
    jump_share: float
    jumps_per_year: float
    n: int
    assumed: tuple[str, ...]


class PriceFacts(msgspec.Struct, frozen=True):
    """Everything known of how prices move, with where it is from."""

    cuts: Jumps
    rises: Jumps
    ends: Ends
    gpu: Rental
    source: str
    date: str


@cache
def price_facts() -> PriceFacts:
    """The facts of this release."""
    text = files("freehold.market").joinpath(FILE_NAME).read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), PriceFacts)
