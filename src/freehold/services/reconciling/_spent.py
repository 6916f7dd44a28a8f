"""What the ledger holds that a provider may have billed: tokens and exact cost, by hour and model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter

import msgspec

from freehold.market.tokens import PriceBook
from freehold.vocabulary import COUNTS, ZERO, Call, Leg, Usage

_HOUR_US = 3_600_000_000
_counts = attrgetter(*COUNTS)
_REGION = re.compile(r"^(us|eu|apac|global|jp|au)\.")
_VENDOR = re.compile(r"^(anthropic|openai|meta|mistral|amazon|cohere|deepseek|google)\.")
_VERSION = re.compile(r"([-@:]?v\d+(:\d+)?|[-@]?20\d\d-?[01]\d-?[0-3]\d|-latest)$")


def model_key(name: str) -> str:
    """A model's name without path, region, maker, date and signs, so that an invoice's name of it and ours are one."""
    plain = name.strip().lower().rsplit("/", 1)[-1]
    plain = _VENDOR.sub("", _REGION.sub("", plain))
    while (shorter := _VERSION.sub("", plain)) != plain:
        plain = shorter
    return re.sub(r"[^a-z0-9]", "", plain)


class Spent:
    """What some calls came to: how many, their exact cost where it is known, and their tokens by service tier."""

    __slots__ = ("calls", "names", "tokens", "unpriced", "usd")

    def __init__(self) -> None:
        self.calls = self.unpriced = 0
        self.usd: Decimal = ZERO
        self.tokens: dict[str, list[int]] = {}
        self.names: Counter[tuple[str, str]] = Counter()

    def add(self, usage: Usage | None, usd: Decimal | None, name: tuple[str, str]) -> None:
        """Count one attempt."""
        self.calls += 1
        self.names[name] += 1
        self.unpriced += usd is None
        self.usd += usd or ZERO
        if usage is not None:
            self._add_tokens(usage.service_tier, _counts(usage))

    def merge(self, other: Spent) -> None:
        """Count what others came to."""
        self.calls += other.calls
        self.unpriced += other.unpriced
        self.usd += other.usd
        self.names.update(other.names)
        for tier, counts in other.tokens.items():
            self._add_tokens(tier, counts)

    def _add_tokens(self, tier: str, counts: Iterable[int]) -> None:
        before = self.tokens.get(tier) or [0] * len(COUNTS)
        self.tokens[tier] = [a + b for a, b in zip(before, counts, strict=True)]

    @property
    def usages(self) -> list[Usage]:
        """The tokens as one usage a tier."""
        return [
            msgspec.structs.replace(Usage(service_tier=tier), **dict(zip(COUNTS, counts, strict=True)))
            for tier, counts in self.tokens.items()
        ]


Hours = dict[tuple[int, str], Spent]
"""By hour since the epoch (UTC) and model, as `model_key` has it."""


def spent_by_hour(calls: Iterable[Call], prices: PriceBook, providers: frozenset[str]) -> Hours:
    """What calls came to at these providers (none named: at all), attempts that did not serve the client among them."""
    hours: Hours = {}
    for call in calls:
        for leg in _paid(call):
            if providers and leg.provider not in providers:
                continue
            usd = prices.price_leg(call, leg, leg.usage).usd if leg.usage is not None else None
            key = (call.started_at_us // _HOUR_US, model_key(leg.model))
            hours.setdefault(key, Spent()).add(leg.usage, usd, (leg.provider, leg.model))
    return hours


def by_day(hours: Hours, shift_h: int = 0) -> dict[tuple[str, str], Spent]:
    """The same by day and model, where days begin `shift_h` hours before those of UTC."""
    days: dict[tuple[str, str], Spent] = {}
    for (hour, model), spent in hours.items():
        day = datetime.fromtimestamp((hour + shift_h) * 3600, UTC).date().isoformat()
        days.setdefault((day, model), Spent()).merge(spent)
    return days


def _paid(call: Call) -> Iterator[Leg]:
    """The attempts that a provider may have billed: those that state tokens, and those that ended well without."""
    if call.owner == "owned" and not call.legs:
        return
    legs = call.legs or (Leg("serve", "rented", call.provider, call.model, call.outcome, usage=call.usage),)
    for leg in legs:
        billed = leg.usage is not None and (leg.usage.prompt_tokens or leg.usage.output_tokens)
        if leg.owner == "rented" and (billed or (leg.usage is None and leg.outcome == "ok")):
            yield leg
