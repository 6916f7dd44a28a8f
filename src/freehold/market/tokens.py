"""Token prices: what a call cost on its day, exactly, or that nobody knows.

Method: the user's own contract first, then the provider's list price, then the list price of whoever owns the model's
name. Amounts are exact decimals. What has no stated price is None, never zero. Not known here: batch and committed-use
discounts, taxes, and what a provider really billed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from freehold.vocabulary import ZERO, Call, Leg, Source, Usage

from . import _catalogue
from ._catalogue import Listed, Tiered

if TYPE_CHECKING:
    from freehold.settings import PriceSettings


class Priced(msgspec.Struct, frozen=True):
    """An amount and where its price comes from. `usd` None: the price is unknown; `source.name` says what of it."""

    usd: Decimal | None
    source: Source


class Rates(msgspec.Struct, frozen=True):
    """What one call's tokens cost, in US dollars per million, for prompts of one size."""

    input_usd_per_mtok: Decimal
    cache_read_usd_per_mtok: Decimal
    cache_write_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal | None
    reasoning_usd_per_mtok: Decimal | None
    request_usd: Decimal
    source: Source

    def usd(self, usage: Usage, calls: int = 1) -> Decimal | None:
        """Exact cost of `usage`, which may be the sum of several calls.

        None where it holds output tokens and no price of output is known. Reasoning tokens are part of the output and
        cost the same unless the price list tells them apart.
        """
        if usage.output_tokens and self.output_usd_per_mtok is None:
            return None
        output = self.output_usd_per_mtok or ZERO
        reasoning = output if self.reasoning_usd_per_mtok is None else self.reasoning_usd_per_mtok
        micro_usd = (
            usage.input_tokens * self.input_usd_per_mtok
            + usage.cache_read_tokens * self.cache_read_usd_per_mtok
            + (usage.cache_write_tokens + usage.cache_write_1h_tokens) * self.cache_write_usd_per_mtok
            + (usage.output_tokens - usage.reasoning_tokens) * output
            + usage.reasoning_tokens * reasoning
        )
        return micro_usd.scaleb(-6) + calls * self.request_usd


class PriceBook:
    """Prices as this user pays them.

    Args:
        contracts: `[prices."provider/model"]` of the settings; a key without a slash holds for every provider.
        base_urls: address by provider name, for providers whose name is the user's own.
    """

    def __init__(
        self, contracts: Mapping[str, PriceSettings] | None = None, base_urls: Mapping[str, str] | None = None
    ) -> None:
        self._contracts = {key.lower(): price for key, price in (contracts or {}).items()}
        self._base_urls = dict(base_urls or {})
        self._listed: dict[tuple[str, str, datetime], tuple[Listed, bool] | None] = {}

    def rates(self, provider: str, model: str, at: datetime, prompt_tokens: int = 0) -> Rates | None:
        """Rates in force at `at` for a call whose whole prompt has `prompt_tokens`; None where the price is unknown."""
        contract = self._contracts.get(f"{provider}/{model}".lower()) or self._contracts.get(model.lower())
        if contract is not None:
            return _contract_rates(provider, model, contract)
        found = self._find(provider, model, at)
        return None if found is None else _list_rates(found[0], prompt_tokens, borrowed=found[1])

    def price_usage(self, provider: str, model: str, usage: Usage, at: datetime) -> Priced:
        """Exact cost of one call's tokens at the price of `at`."""
        rates = self.rates(provider, model, at, usage.prompt_tokens)
        if rates is None:
            return Priced(None, Source(f"unknown: no price of {provider}/{model}", at.date().isoformat()))
        usd = rates.usd(usage)
        if usd is None:
            return Priced(None, Source(f"unknown: no price of output of {provider}/{model}", at.date().isoformat()))
        return Priced(usd, rates.source)

    def price_call(self, call: Call) -> Priced:
        """Exact cost of a call at the price of its day; unknown where its token counts are."""
        at = datetime.fromtimestamp(call.started_at_us / 1e6, UTC)
        if call.usage is None:
            return Priced(None, Source("unknown: the call states no token counts", at.date().isoformat()))
        return self.price_usage(call.provider, call.model, call.usage, at)

    def price_leg(self, call: Call, leg: Leg, usage: Usage) -> Priced:
        """Exact cost of one attempt at a call that used so many tokens, at the price of the call's day.

        An answer may call its model by a longer name than the one it was asked by. The asked one, which the user's
        contract is about, comes first; where that has no price, the answer's own.
        """
        at = datetime.fromtimestamp(call.started_at_us / 1e6, UTC)
        asked = call.model if leg.provider == call.provider else leg.model
        priced = self.price_usage(leg.provider, asked, usage, at)
        return priced if priced.usd is not None else self.price_usage(leg.provider, leg.model, usage, at)

    def bands(self, provider: str, model: str, at: datetime) -> tuple[int, ...]:
        """Prompt sizes above which the price of every token of a call changes, ascending; mostly none."""
        found = None if self._is_contract(provider, model) else self._find(provider, model, at)
        if found is None:
            return ()
        prices = (found[0].input, found[0].cache_read, found[0].cache_write, found[0].output)
        return tuple(sorted({start for price in prices if price is not None for start, _ in price.steps}))

    def listed(self, provider: str, model: str, at: datetime) -> Listed | None:
        """The catalogue's own entry behind `rates`; None where it has none."""
        found = self._find(provider, model, at)
        return None if found is None else found[0]

    def _is_contract(self, provider: str, model: str) -> bool:
        return f"{provider}/{model}".lower() in self._contracts or model.lower() in self._contracts

    def _find(self, provider: str, model: str, at: datetime) -> tuple[Listed, bool] | None:
        """The entry, and whether it is somebody else's list price that stands in for this provider's."""
        moment = at.replace(minute=at.minute // 10 * 10, second=0, microsecond=0)  # prices by the hour begin on these
        key = (provider, model, moment)
        if key not in self._listed:
            self._listed[key] = self._look_up(provider, model, moment)
        return self._listed[key]

    def _look_up(self, provider: str, model: str, at: datetime) -> tuple[Listed, bool] | None:
        own = _catalogue.find(provider, model, at) if provider else None
        if own is None and (url := self._base_urls.get(provider)):
            own = _catalogue.find_by_url(url, model, at)
        if own is not None:
            return (own, False) if own.input is not None else None
        vendor, _, name = model.partition("/")
        found = _catalogue.find(None, model, at) or (_catalogue.find(vendor, name, at) if name else None)
        return (found, True) if found is not None and found.input is not None else None


def price_usage(provider: str, model: str, usage: Usage, at: datetime) -> Priced:
    """Exact cost of one call's tokens at list price; see `PriceBook` for a user's own prices."""
    return _list_prices.price_usage(provider, model, usage, at)


def price_call(call: Call) -> Priced:
    """Exact cost of a call at the list price of its day; see `PriceBook` for a user's own prices."""
    return _list_prices.price_call(call)


_list_prices = PriceBook()


def _list_rates(listed: Listed, prompt_tokens: int, *, borrowed: bool) -> Rates:
    assert listed.input is not None

    def at(price: Tiered | None) -> Decimal | None:
        return None if price is None else price.at(prompt_tokens)

    plain = listed.input.at(prompt_tokens)
    read, write = at(listed.cache_read), at(listed.cache_write)
    name = f"genai-prices {_catalogue.package_version()}, list price of {listed.provider}/{listed.model}"
    return Rates(
        input_usd_per_mtok=plain,
        cache_read_usd_per_mtok=plain if read is None else read,
        cache_write_usd_per_mtok=plain if write is None else write,
        output_usd_per_mtok=at(listed.output),
        reasoning_usd_per_mtok=at(listed.reasoning),
        request_usd=listed.request_usd,
        source=Source(f"{name}, found by the model's name" if borrowed else name, listed.date, assumed=borrowed),
    )


def _contract_rates(provider: str, model: str, price: PriceSettings) -> Rates:
    plain = price.input_usd_per_mtok
    return Rates(
        input_usd_per_mtok=plain,
        cache_read_usd_per_mtok=plain if price.cached_usd_per_mtok is None else price.cached_usd_per_mtok,
        cache_write_usd_per_mtok=plain if price.cache_write_usd_per_mtok is None else price.cache_write_usd_per_mtok,
        output_usd_per_mtok=price.output_usd_per_mtok,
        reasoning_usd_per_mtok=None,
        request_usd=ZERO,
        source=Source(price.source or f'settings, prices."{provider}/{model}"', price.date),
    )
