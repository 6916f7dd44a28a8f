"""Why an invoice and the ledger differ, in parts that add up exactly."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from freehold.market.tokens import PriceBook, Rates
from freehold.vocabulary import COUNTS, ZERO, Usage

from ._spent import Spent

MISSING = "calls missing in the ledger"
ABSENT = "calls that are not on the invoice"
TOKENS = "tokens differ"
TIER = "service tier or batch"
PRICE = "price differs"
UNKNOWN = "price unknown to the ledger"
ROUNDING = "rounding"
TAXES = "taxes"
CREDITS = "credits"
DAY_SHIFT = "day begins at another hour"
NO_MODEL = "charges without a model"

_TIERS = ("batch", "flex", "priority", "fast")
"""Tiers that are tried where an invoice states none."""


class Billed(msgspec.Struct):
    """What an invoice says of one model on one day. `usd` None: it states no money for it."""

    usd: Decimal | None = None
    calls: int | None = None
    usages: list[Usage] = []
    tolerance: Decimal = ZERO
    name: str = ""


def total(usages: Iterable[Usage]) -> Usage:
    """All tokens, as if of the standard tier."""
    sums = dict.fromkeys(COUNTS, 0)
    for usage in usages:
        for name in COUNTS:
            sums[name] += getattr(usage, name)
    return msgspec.structs.replace(Usage(), **sums)


class Valuer:
    """Values tokens of one model at the prices of one day, for prompts of the usual size."""

    def __init__(self, prices: PriceBook, name: tuple[str, str], day: str) -> None:
        self._prices, self._name = prices, name
        self._at = datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)
        self._rates: dict[str, Rates | None] = {}

    def usd(self, usage: Usage, tier: str = "") -> Decimal | None:
        """What they cost in that tier; None where a price is unknown."""
        if tier not in self._rates:
            self._rates[tier] = self._prices.rates(*self._name, self._at, 0, tier)
        rates = self._rates[tier]
        return None if rates is None else rates.usd(usage, 0)

    def in_their_tiers(self, usages: Iterable[Usage]) -> Decimal | None:
        """What usages cost, each in its own tier."""
        amount = ZERO
        for usage in usages:
            usd = self.usd(usage, usage.service_tier)
            if usd is None:
                return None
            amount += usd
        return amount


def explain(billed: Billed, spent: Spent, value: Valuer, *, steady: bool) -> dict[str, Decimal]:
    """The difference `billed.usd - spent.usd` in named parts, none of them zero; they add up to it exactly.

    `steady`: the two differ by the same factor on other days, too.
    """
    assert billed.usd is not None
    parts: dict[str, Decimal] = {}
    rest = billed.usd - spent.usd
    if billed.usages:
        for name, usd in _of_tokens(billed, spent, value).items():
            parts[name] = usd
            rest -= usd
    if rest:
        name = _of_rest(billed, spent, value, rest, steady=steady)
        parts[name] = parts.get(name, ZERO) + rest
    return {name: usd for name, usd in parts.items() if usd}


def _of_tokens(billed: Billed, spent: Spent, value: Valuer) -> dict[str, Decimal]:
    """What other counts of tokens and other tiers of them come to, at our prices; nothing where one is unknown."""
    theirs, ours = total(billed.usages), total(spent.usages)
    plain_theirs, plain_ours = value.usd(theirs), value.usd(ours)
    tiers_theirs, tiers_ours = value.in_their_tiers(billed.usages), value.in_their_tiers(spent.usages)
    if plain_theirs is None or plain_ours is None or tiers_theirs is None or tiers_ours is None:
        return {}
    calls = billed.calls if billed.calls is not None else spent.calls
    name = MISSING if calls > spent.calls else ABSENT if calls < spent.calls else TOKENS
    return {name: plain_theirs - plain_ours, TIER: (tiers_theirs - plain_theirs) - (tiers_ours - plain_ours)}


def _of_rest(billed: Billed, spent: Spent, value: Valuer, rest: Decimal, *, steady: bool) -> str:
    """The name of what tokens do not explain."""
    assert billed.usd is not None
    if abs(rest) <= billed.tolerance:
        return ROUNDING
    if spent.unpriced:
        return UNKNOWN
    if billed.usages:
        return PRICE
    tokens = total(spent.usages)
    standard = value.usd(tokens)
    for tier in _TIERS:
        other = value.usd(tokens, tier)
        if (
            other is not None
            and standard is not None
            and abs(spent.usd + other - standard - billed.usd) <= max(billed.tolerance, abs(billed.usd) / 1000)
        ):
            return TIER
    if steady:
        return PRICE
    return MISSING if rest > 0 else ABSENT
