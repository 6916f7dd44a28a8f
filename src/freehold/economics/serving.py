"""What a fleet costs a month over scenarios of prices and people, and the same weights by the token beside it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec
import numpy as np

from freehold.market.gpus import hardware
from freehold.market.models import Gpu, TokenOffer
from freehold.vocabulary import Assumption, Range, Source

from . import bought
from .arrays import FloatArray, Inputs, money, money_range, normal_quantiles
from .assumptions import at_values, defaults, draw, given, rented_or_stated
from .bought import LIFE_MONTHS, Machines, People
from .capacity import Fleet, Held, Trace
from .cashflow import payback
from .workload import MONTH_HOURS

SCENARIOS = 1001
MONTH_S = 3600 * MONTH_HOURS


class Bought(msgspec.Struct, frozen=True):
    """The same fleet bought instead of rented, over three years of use.

    `once_usd` is paid at once; `usd` is a month with it as a level payment, less what the machines still sell for, with
    electricity and people. `payback_months`: until rent saved has paid the machines, inputs at their values; None: not
    within their life.
    """

    once_usd: Range
    usd: Range
    payback_months: float | None


class ServingCost(Held, frozen=True, kw_only=True):
    """A fleet for a trace, in machines and in money a month.

    `usd_per_mtok` is the whole bill over all tokens, in and out: what to hold against a price per token. `bought`: the
    same with machines of one's own, where somebody stated their price. `per_token_usd` is what sellers of the same
    weights would ask for these tokens, without cached prompts; None: nobody sells them.
    """

    trace: str
    requests: int
    hours: float
    model: str
    gpu: str
    gpus_each: int
    how: str
    throughput_error: float
    requests_per_month: float
    usd: Range
    split_usd: dict[str, Decimal]
    usd_per_mtok: Range
    per_token_usd: Range | None
    bought: Bought | None
    inputs: tuple[Assumption, ...]
    sources: tuple[Source, ...]


def inputs_of(
    gpu: str, rental: Gpu | None, stated: Mapping[str, float], sources: Mapping[str, str], *, buying: bool = False
) -> dict[str, Assumption]:
    """GPU price and people, with `buying` also power and capital; stated ones without a range.

    Raises:
        UsageError: nobody states what the GPU rents for.
    """
    found = {name: defaults()[name] for name in ("engineer_usd_per_year", "hosting_engineer_share")}
    found["gpu_usd_per_hour"] = rented_or_stated(gpu, rental, stated)
    if buying:
        found |= bought.inputs() | {"discount_rate_per_year": defaults()["discount_rate_per_year"]}
    return {
        name: given(item, stated[name], sources.get(name, "given")) if name in stated else item
        for name, item in found.items()
    }


def serving_cost(
    model: str,
    trace: Trace,
    fleet: Fleet,
    inputs: Mapping[str, Assumption],
    offer: TokenOffer | None,
    *,
    buy_usd: float | None = None,
    seed: int = 0,
) -> ServingCost:
    """A fleet's month. Traffic is taken to go on as the trace has it, around the clock.

    `buy_usd`: price of a GPU with its part of the server; the inputs must then be those of `buying`.
    """
    drawn = draw(inputs, SCENARIOS, seed)
    replica = fleet.replica
    gpus = (_replicas(fleet, seed) + fleet.spare) * replica.gpus
    machines = fleet.replica_hours * replica.gpus * gpus / fleet.gpus * drawn["gpu_usd_per_hour"]
    people = np.asarray(_people(drawn).monthly_usd(gpus))
    months = trace.span_s / MONTH_S
    tokens_in, tokens_out = (float(t.sum()) / months / 1e6 for t in (trace.prompt_tokens, trace.output_tokens))
    usd = machines + people
    scale = float(np.median(usd)) / float(usd.mean())
    return ServingCost(
        **{name: getattr(fleet, name) for name in Held.__struct_fields__},
        trace=trace.name,
        requests=trace.requests,
        hours=trace.span_s / 3600,
        model=model,
        gpu=replica.gpu,
        gpus_each=replica.gpus,
        how=replica.how,
        throughput_error=replica.error,
        requests_per_month=trace.requests / months,
        usd=money_range(usd),
        split_usd={"machines": money(float(machines.mean()) * scale), "people": money(float(people.mean()) * scale)},
        usd_per_mtok=money_range(usd / (tokens_in + tokens_out)),
        per_token_usd=None if offer is None else _per_token(offer, tokens_in, tokens_out),
        bought=None if buy_usd is None else _bought(replica.gpu, gpus, fleet.gpus, buy_usd, inputs, drawn),
        inputs=tuple(inputs.values()),
        sources=(replica.source, *(() if offer is None else (offer.source,))),
    )


def _replicas(fleet: Fleet, seed: int) -> FloatArray:
    """The fleet's own number, and at either tail the one that its throughput's interval leads to."""
    rng = np.random.default_rng([seed, 3])
    z = normal_quantiles((rng.permutation(SCENARIOS) + 0.5) / SCENARIOS)
    few, many = fleet.span
    return np.select([z < -1, z > 1], [few, many], fleet.replicas).astype(np.float64)


def _bought(
    gpu: str, gpus: FloatArray, usual: int, usd_each: float, inputs: Mapping[str, Assumption], drawn: Inputs
) -> Bought:
    """A fixed fleet of one's own: it is not turned off at night."""
    machines = _machines(gpu, gpus, usd_each, drawn)
    people = _people(drawn).monthly_usd(gpus)
    capital = np.asarray(machines.capital_usd)
    level = machines.level_usd(drawn["discount_rate_per_year"])
    at = at_values(inputs)
    alone = _machines(gpu, np.full(1, float(usual)), usd_each, at)
    rented = usual * float(at["gpu_usd_per_hour"][0]) * MONTH_HOURS
    saved = np.full(LIFE_MONTHS, rented - float(np.asarray(alone.running_usd)[0]))
    months = payback(usual * usd_each, saved)
    return Bought(
        money_range(capital),
        money_range(level + np.asarray(machines.running_usd) + people),
        None if months is None else round(months, 1),
    )


def _machines(gpu: str, gpus: FloatArray, usd_each: float, inputs: Inputs) -> Machines:
    kw_each = hardware(gpu).watts / 1000 * inputs["server_power_ratio"]
    pue, residual = inputs["pue"], inputs["residual_share"]
    return Machines(gpus, usd_each, kw_each, inputs["usd_per_kwh"], MONTH_HOURS, pue, residual)


def _people(inputs: Inputs) -> People:
    return People(inputs["hosting_engineer_share"], inputs["engineer_usd_per_year"])


def _per_token(offer: TokenOffer, mtok_in: float, mtok_out: float) -> Range:
    """By quartiles of sellers."""
    usd_in, usd_out = offer.input_usd_per_mtok, offer.output_usd_per_mtok
    low, mid, high = (
        money(float(getattr(usd_in, name)) * mtok_in + float(getattr(usd_out, name)) * mtok_out)
        for name in ("low", "mid", "high")
    )
    return Range(low, mid, high)
