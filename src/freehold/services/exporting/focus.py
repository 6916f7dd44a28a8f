"""What calls cost, as rows of FOCUS, the FinOps Open Cost and Usage Specification, version 1.2.

One row for each day (UTC), provider, model, team and source of the price: https://focus.finops.org/focus-specification/
says what the columns mean; those that begin with `x_` are ours. Amounts are exact, reckoned from the tokens that the
provider stated and the price of the day. They are no invoice: credits, taxes and commitments are not known here. What
has no known price has rows of its own, whose costs are empty.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import BinaryIO, NamedTuple

import msgspec

from freehold.market.tokens import PriceBook
from freehold.services._attempts import Attempt, attempts
from freehold.vocabulary import ENDED_FREE, TEAM_TAG, ZERO, Call, Source, Usage

_DAY_US = 86_400 * 1_000_000
_CURRENCY = "USD"
COLUMNS: tuple[str, ...] = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription",
    "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost",
    "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingCategory", "PricingCurrency", "PricingQuantity",
    "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName", "ServiceSubcategory", "SkuId",
    "SubAccountId", "SubAccountName", "SubAccountType", "x_Calls", "x_Attempts", "x_InputTokens",
    "x_CacheReadTokens", "x_CacheWriteTokens", "x_OutputTokens", "x_PriceSource", "x_PriceDate",
)  # fmt: skip


class Written(NamedTuple):
    """How many rows there are, and what a person should know of them."""

    rows: int
    notes: tuple[str, ...]


class _Place(NamedTuple):
    """What one row is about. `priced` False: nobody knows what it cost, and `source` says why."""

    day: int
    provider: str
    model: str
    team: str
    priced: bool
    source: str
    source_date: str


class _Sum(msgspec.Struct):
    calls: int = 0
    attempts: int = 0
    usd: Decimal = ZERO
    list_usd: Decimal | None = ZERO
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0

    def add(self, usage: Usage) -> None:
        """Count what an attempt used."""
        self.input_tokens += usage.input_tokens
        self.cache_read_tokens += usage.cache_read_tokens
        self.cache_write_tokens += usage.cache_write_tokens + usage.cache_write_1h_tokens
        self.output_tokens += usage.output_tokens

    @property
    def tokens(self) -> int:
        """All tokens."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens + self.output_tokens


def write(calls: Iterable[Call], file: BinaryIO, prices: PriceBook) -> Written:
    """Write the cost rows of calls as CSV, by day, then provider, model and team.

    Memory grows with the rows, not with the calls.
    """
    sums = _summed(calls, prices)
    text = io.TextIOWrapper(file, "utf-8", newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(_row(place, total) for place, total in sorted(sums.items()))
    text.detach()  # flushes, and leaves the file to whoever opened it
    unpriced = [(place, total) for place, total in sums.items() if not place.priced]
    return Written(len(sums), _notes(unpriced))


def _summed(calls: Iterable[Call], prices: PriceBook) -> dict[_Place, _Sum]:
    listed = PriceBook()
    sums: dict[_Place, _Sum] = {}
    for call in calls:
        counted: set[_Place] = set()
        for attempt in attempts(call):
            if attempt.leg.owner != "rented" or _came_to_nothing(attempt):
                continue
            usd, source = _cost(call, attempt, prices)
            place = _Place(
                call.started_at_us // _DAY_US,
                attempt.leg.provider,
                attempt.leg.model,
                call.tags.get(TEAM_TAG, ""),
                usd is not None,
                source.name,
                source.date if usd is not None else "",
            )
            total = sums.setdefault(place, _Sum())
            total.attempts += 1
            total.calls += place not in counted
            counted.add(place)
            if attempt.usage is not None:
                total.add(attempt.usage)
            if usd is not None:
                total.usd += usd
                list_usd, _ = _cost(call, attempt, listed)
                total.list_usd = None if total.list_usd is None or list_usd is None else total.list_usd + list_usd
    return sums


def _came_to_nothing(attempt: Attempt) -> bool:
    """An attempt that no answer came of and for which no tokens were stated: nothing is charged."""
    return attempt.usage is None and attempt.leg.outcome in ENDED_FREE


def _cost(call: Call, attempt: Attempt, prices: PriceBook) -> tuple[Decimal | None, Source]:
    if attempt.usage is None:
        return None, Source("unknown: the provider stated no token counts", "")
    priced = prices.price_leg(call, attempt.leg, attempt.usage)
    return priced.usd, priced.source


def _row(place: _Place, total: _Sum) -> dict[str, str | int]:
    day = date(1970, 1, 1) + timedelta(days=place.day)
    month = day.replace(day=1)
    cost = _exact(total.usd) if place.priced else ""
    return {
        "BilledCost": cost,
        "BillingAccountId": place.provider,
        "BillingAccountName": place.provider,
        "BillingAccountType": "Provider",
        "BillingCurrency": _CURRENCY,
        "BillingPeriodEnd": _moment((month + timedelta(days=32)).replace(day=1)),
        "BillingPeriodStart": _moment(month),
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": f"Tokens of {place.model}" if place.model else "Tokens",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _moment(day + timedelta(days=1)),
        "ChargePeriodStart": _moment(day),
        "ConsumedQuantity": total.tokens,
        "ConsumedUnit": "Tokens",
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "InvoiceIssuerName": place.provider,
        "ListCost": _exact(total.list_usd) if place.priced and total.list_usd is not None else "",
        "PricingCategory": "Standard" if place.priced else "",
        "PricingCurrency": _CURRENCY,
        "PricingQuantity": total.tokens if place.priced else "",
        "PricingUnit": "Tokens" if place.priced else "",
        "ProviderName": place.provider,
        "PublisherName": place.provider,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": place.provider,
        "ServiceSubcategory": "Generative AI",
        "SkuId": place.model,
        "SubAccountId": place.team,
        "SubAccountName": place.team,
        "SubAccountType": "Team" if place.team else "",
        "x_Calls": total.calls,
        "x_Attempts": total.attempts,
        "x_InputTokens": total.input_tokens,
        "x_CacheReadTokens": total.cache_read_tokens,
        "x_CacheWriteTokens": total.cache_write_tokens,
        "x_OutputTokens": total.output_tokens,
        "x_PriceSource": place.source,
        "x_PriceDate": place.source_date,
    }


def _moment(day: date) -> str:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat().replace("+00:00", "Z")


def _exact(usd: Decimal) -> str:
    plain = f"{usd:f}"
    return (plain.rstrip("0").rstrip(".") if "." in plain else plain) or "0"


def _notes(unpriced: list[tuple[_Place, _Sum]]) -> tuple[str, ...]:
    if not unpriced:
        return ()
    whys = sorted({place.source.removeprefix("unknown: ") for place, _ in unpriced})
    tried = sum(total.attempts for _, total in unpriced)
    some = "; ".join(whys[:3]) + ("; and others" if len(whys) > 3 else "")
    return (f"what {tried:,} attempts cost is unknown, and empty in {len(unpriced):,} rows: {some}",)
