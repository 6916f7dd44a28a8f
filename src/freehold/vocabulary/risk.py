"""What a decision risks, what that depends on, and what more knowledge would be worth."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Estimate(msgspec.Struct, frozen=True):
    """A mean over scenarios in US dollars, with the 95 % interval that their number leaves."""

    value: Decimal
    low: Decimal
    high: Decimal


class VolumeRange(msgspec.Struct, frozen=True):
    """Calls a month from one volume to another; None: as far as was looked."""

    from_calls: float
    to_calls: float | None


class Bar(msgspec.Struct, frozen=True):
    """A bar of the tornado: the lead where one input is at either end of its range, the others at their values."""

    input: str
    low: float
    high: float
    at_low_usd: Decimal
    at_high_usd: Decimal
    unit: str = ""


class Influence(msgspec.Struct, frozen=True):
    """Sobol indices of an input: share of the lead's variance that it explains alone, and with all its interactions.

    Intervals are 95 % by bootstrap.
    """

    input: str
    first: float
    first_low: float
    first_high: float
    total: float
    total_low: float
    total_high: float


class Learning(msgspec.Struct, frozen=True):
    """What knowing one thing would be worth over the horizon: at most so much may be paid for it.

    `worth_usd` of an input is its expected value of partial perfect information. Of a quality that nobody measured it
    is what the option would gain if it turned out good enough, and `chance_needed` how likely that must be for the
    measurement to pay. `cost_usd` None: nobody knows, or it costs nothing but asking.
    """

    what: str
    worth_usd: Estimate
    how: str
    cost_usd: Decimal | None = None
    chance_needed: float | None = None


class Risk(msgspec.Struct, frozen=True):
    """How the leading option stands against the best other one.

    `lead_usd` is the leading option's net present value less that of the best other choosable option at the inputs'
    values, or, where there is no other, of `against` if its answers were good enough (`against_unmeasured`). `known`
    is what perfect knowledge of every input would be worth. `waiting_usd`: deciding after `waiting_months` of renting,
    with prices and volume seen, instead of now; negative where waiting costs. Influences are over independent inputs
    (`influence_n` base points), all else over `scenarios` draws.
    """

    leading: str
    against: str
    against_unmeasured: bool
    lead_usd: Decimal
    horizon_months: int
    scenarios: int
    tornado: tuple[Bar, ...]
    influences: tuple[Influence, ...]
    influence_n: int
    known_usd: Estimate | None
    waiting_usd: Estimate | None
    waiting_months: int
    learn: tuple[Learning, ...]
