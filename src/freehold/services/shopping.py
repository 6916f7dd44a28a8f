"""Which GPUs carry a model, how many of them a task's arrivals take, and what that costs per cloud and term."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from freehold.economics import bought
from freehold.economics.arrays import money
from freehold.economics.assumptions import PRICED_GPU, defaults, exact
from freehold.economics.bought import LIFE_MONTHS, Machines
from freehold.economics.capacity import Policy, Replica, Targets, Trace, replica_for, size_fleet
from freehold.economics.workload import MONTH_HOURS
from freehold.errors import UsageError
from freehold.market import offers as market
from freehold.market.gpus import Hardware, all_hardware, hardware
from freehold.market.offers import MONTHS, Offer, Term
from freehold.market.serving import ServedModel, measured, served_model

from .home import Progress, silent

PREMISES = "on premises"
"""What stands for a cloud where the machines are one's own."""

_SPOT_SPARES = 1
"""Replicas beyond the fleet where machines may be taken away at any time; an assumption, no measurement."""


class Sized(msgspec.Struct, frozen=True):
    """A kind of GPU and the fleet on it. `why` says what is in the way where `replicas` is 0."""

    gpu: str
    gpus_each: int
    replicas: int
    spare: int
    utilisation: float | None
    how: str
    throughput_error: float
    why: str = ""


class Row(msgspec.Struct, frozen=True):
    """One offer, with the fleet on it. `gpus` are those of whole machines; `committed_usd` is owed whatever happens.

    Machines of one's own stand among them as the cloud `PREMISES` with the term `bought`: a month is the level payment
    that recovers their price over three years, less the residual, with electricity and a place; `committed_usd` is paid
    at once.
    """

    cloud: str
    place: str
    zone: str
    gpu: str
    term: Term | Literal["bought"]
    replicas: int
    gpus: int
    usd_per_gpu_hour: Decimal
    usd_per_month: Decimal
    committed_usd: Decimal
    source: str
    as_of: str


class Shop(msgspec.Struct, frozen=True):
    """What there is for a model, cheapest first. People and traffic between machines are not in it."""

    model: str
    trace: str
    requests: int
    zone: str
    rows: tuple[Row, ...]
    sized: tuple[Sized, ...]
    left_out: int
    notes: tuple[str, ...]


class Order(msgspec.Struct, frozen=True):
    """What is looked for. `zone` "" is any; `gpu` "" every kind; `terms` () all of them.

    `buy_usd`: what a GPU of that kind costs with its part of a server; None: as assumed, where that is known.
    """

    model: str
    zone: str = ""
    gpu: str = ""
    terms: tuple[Term, ...] = ()
    bytes_per_parameter: float = 0
    targets: Targets = Targets()
    policy: Policy = Policy()
    buy_usd: float | None = None


def shop(
    order: Order,
    trace: Trace | None,
    own: Path | None = None,
    *,
    assume: Mapping[str, float] = {},
    progress: Progress = silent,
) -> Shop:
    """Size the fleet on every GPU that is offered in the zone, and price it by every offer.

    Without a trace a fleet is one replica and the spares. `assume`: inputs that somebody gave, for machines of one's
    own.

    Raises:
        UsageError: model, GPU or zone are unknown, nothing is offered there, or a price to buy at is given and no GPU.
        ConfigurationError: the user's own lists cannot be read.
    """
    model = served_model(order.model)
    if order.zone and order.zone not in market.ZONES:
        raise UsageError(f"{order.zone!r} is no zone", hint=f"one of {', '.join(market.ZONES)}")
    if order.buy_usd is not None and not order.gpu:
        raise UsageError("a price of which GPU?", hint="--buy 30000 --gpu H100")
    chips = (hardware(order.gpu),) if order.gpu else all_hardware()
    every = market.offers(own)
    inside = [o for o in every if o.zone == order.zone or not order.zone]
    found = [o for o in inside if o.gpu in {c.name for c in chips} and (o.term in order.terms or not order.terms)]
    if not found:
        where = f" in {order.zone}" if order.zone else ""
        raise UsageError(f"nobody in the lists offers that{where}", hint="freehold gpus --import vms.csv --cloud NAME")
    sized: dict[str, Sized] = {}
    for chip in chips:
        if any(offer.gpu == chip.name for offer in found):
            progress(f"sizing the fleet on {chip.name}")
            sized[chip.name] = _sized(model, chip, order, trace)
    able = [offer for offer in found if sized[offer.gpu].replicas]
    whole = [offer for offer in able if offer.together >= sized[offer.gpu].gpus_each]
    rows = _cheapest([_row(offer, sized[offer.gpu], order) for offer in whole])
    if not order.terms:
        rows += [_bought(one, order, assume) for one in sized.values() if one.replicas and _known(one.gpu, order)]
    return Shop(
        model=model.name,
        trace="" if trace is None else trace.name,
        requests=0 if trace is None else trace.requests,
        zone=order.zone,
        rows=tuple(sorted(rows, key=lambda row: (row.usd_per_month, row.cloud, row.place))),
        sized=tuple(sized.values()),
        left_out=len(every) - len(inside),
        notes=_notes(rows, trace, len(every) - len(inside), len(able) - len(whole)),
    )


def take_in(path: Path, cloud: str, as_of: str, own: Path) -> tuple[int, tuple[str, ...]]:
    """Write a SkyPilot catalogue file's offers into the user's own lists, in place of that cloud's.

    Returns how many offers it holds, and the GPUs in it that nobody knows here.

    Raises:
        UsageError: it is no such file, or holds no offer of a known GPU.
        ConfigurationError: the user's own lists cannot be read.
    """
    new, unknown = market.from_skypilot(path, cloud, as_of)
    if not new:
        raise UsageError(f"{path} offers no GPU that is known here", hint="a vms.csv of SkyPilot's catalogue")
    before = market.read(own) if own.is_file() else ()
    own.parent.mkdir(parents=True, exist_ok=True)
    whole = market.written(market.merged(before, new))
    fresh = own.with_name(own.name + ".new")
    fresh.write_text(whole, "utf-8")
    fresh.replace(own)
    return len(new), unknown


def _sized(model: ServedModel, chip: Hardware, order: Order, trace: Trace | None) -> Sized:
    """The smallest fleet over the sizes of replica that were measured on this GPU, else on the fewest that hold it."""
    found = [
        _fleet(model, chip, gpus, order, trace)
        for gpus in sorted({m.gpus for m in measured(model.name, chip.name)} or {0})
    ]
    return min(found, key=lambda one: (not one.replicas, (one.replicas + one.spare) * one.gpus_each))


def _fleet(model: ServedModel, chip: Hardware, gpus: int, order: Order, trace: Trace | None) -> Sized:
    try:
        replica = replica_for(model, chip, gpus, order.bytes_per_parameter)
        if trace is None:
            return _of(replica, 1, order, None)
        fleet = size_fleet(trace, replica, order.targets, order.policy, span=False)
    except UsageError as error:  # this GPU is not for this model or these targets; the others may be
        return Sized(chip.name, 0, 0, 0, None, "", 0.0, error.message)
    return _of(replica, fleet.replicas, order, fleet.utilisation)


def _of(replica: Replica, replicas: int, order: Order, used: float | None) -> Sized:
    return Sized(replica.gpu, replica.gpus, replicas, order.policy.spare, used, replica.how, replica.error)


def _cheapest(rows: Sequence[Row]) -> list[Row]:
    """Of a cloud's machines of several sizes, the size that this fleet is cheapest on."""
    best: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = (row.cloud, row.place, row.gpu, row.term)
        if key not in best or row.usd_per_month < best[key].usd_per_month:
            best[key] = row
    return list(best.values())


def _row(offer: Offer, sized: Sized, order: Order) -> Row:
    """Replicas never reach over machines, and machines are rented whole."""
    replicas = sized.replicas + order.policy.spare + (_SPOT_SPARES if offer.term == "spot" else 0)
    gpus = math.ceil(replicas / (offer.together // sized.gpus_each)) * offer.together
    month = gpus * offer.usd * MONTH_HOURS
    return Row(
        cloud=offer.cloud,
        place=offer.place,
        zone=offer.zone,
        gpu=offer.gpu,
        term=offer.term,
        replicas=replicas,
        gpus=gpus,
        usd_per_gpu_hour=exact(offer.usd),
        usd_per_month=money(month),
        committed_usd=money(month * MONTHS[offer.term]),
        source=offer.source,
        as_of=offer.as_of,
    )


def _known(gpu: str, order: Order) -> bool:
    """Whether it is known what such a GPU costs to buy."""
    return order.buy_usd is not None or gpu == PRICED_GPU


def _bought(sized: Sized, order: Order, assume: Mapping[str, float]) -> Row:
    """The same fleet on machines of one's own, wherever they stand."""
    inputs = {**defaults(), **bought.inputs()}
    at = {name: float(assume.get(name, item.value)) for name, item in inputs.items()}
    price, source = inputs["gpu_usd_each"], inputs["gpu_usd_each"].source
    replicas = sized.replicas + order.policy.spare
    machines = Machines(
        gpus=float(replicas * sized.gpus_each),
        usd_each=at[price.name] if order.buy_usd is None else order.buy_usd,
        kw_each=hardware(sized.gpu).watts / 1000 * at["server_power_ratio"],
        usd_per_kwh=at["usd_per_kwh"],
        hours=MONTH_HOURS,
        pue=at["pue"],
        residual=at["residual_share"],
        hosting_usd_per_gpu=at["gpu_place_usd_per_month"],
    )
    month = float(machines.level_usd(at["discount_rate_per_year"]) + np.asarray(machines.running_usd))
    gpus = replicas * sized.gpus_each
    stated = order.buy_usd is not None or price.name in assume
    return Row(
        cloud=PREMISES,
        place="",
        zone=order.zone,
        gpu=sized.gpu,
        term="bought",
        replicas=replicas,
        gpus=gpus,
        usd_per_gpu_hour=exact(month / gpus / MONTH_HOURS),
        usd_per_month=money(month),
        committed_usd=money(float(np.asarray(machines.capital_usd))),
        source="given" if stated else source.name,
        as_of=source.date,
    )


def _notes(rows: Sequence[Row], trace: Trace | None, left_out: int, small: int) -> tuple[str, ...]:
    notes = ["machines alone: people, storage and traffic come on top (freehold cost serve)"]
    if any(row.term == "spot" for row in rows):
        notes.append("spot: one replica more, and the cloud may take any of them away; nobody promises the quantity")
    if trace is None:
        notes.append("one replica and the spares: --task or --trace says how many the arrivals take")
    else:
        notes += trace.notes()
    if left_out:
        notes.append(f"{left_out} offers lie outside the zone, or where the seller chooses")
    if small:
        notes.append(f"{small} offers are of machines with fewer GPUs than a replica takes")
    if any(row.term == "bought" for row in rows):
        notes.append(
            f"bought: the price less the residual over {LIFE_MONTHS} months, as a lease would be, electricity and a"
            " place; what is committed is paid at once"
        )
    dates = sorted({row.as_of for row in rows if row.term != "bought"})
    if dates:
        notes.append(
            f"prices of {dates[0]}" + (f" to {dates[-1]}" if len(dates) > 1 else "") + ": they move by the week"
        )
    return tuple(notes)
