"""Token prices: what a call cost on its day, exactly, or that nobody knows.

Method: the user's own contract first, then the provider's list price, then the list price of whoever owns the model's
name; each in the service tier that the answer states. Amounts are exact decimals. What has no stated price is None,
never zero. Not known here: committed-use discounts that no setting states, taxes, and what a provider really billed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from freehold.vocabulary import ZERO, Call, Leg, Source, Usage

from . import _catalogue, _terms
from ._catalogue import Listed, Tiered
from .rates import KINDS, Kind, Priced, Rates

if TYPE_CHECKING:
    from freehold.settings import PriceSettings

__all__ = ["KINDS", "Kind", "PriceBook", "Priced", "Rates", "price_call", "price_usage"]


def package_version() -> str:
    """Which package the list of prices is from; a process that installs an update in it has another list."""
    return _catalogue.package_version()


def catalogue_version() -> str:
    """Which list of prices this is, where what was computed from it is kept."""
    return f"{_catalogue.package_version()}, {_catalogue.catalogue_date()}"


class PriceBook:
    """Prices as this user pays them.

    Args:
        contracts: `[prices."provider/model"]` of the settings; a key without a slash holds for every provider,
            `provider/*` for every model of one, `*` for all.
        base_urls: address by provider name, for providers whose name is the user's own.
    """

    def __init__(
        self, contracts: Mapping[str, PriceSettings] | None = None, base_urls: Mapping[str, str] | None = None
    ) -> None:
        self._contracts = {key.lower(): price for key, price in (contracts or {}).items()}
        self._base_urls = dict(base_urls or {})
        self._listed: dict[tuple[str, str, str, datetime], tuple[Listed, bool] | None] = {}

    def rates(
        self, provider: str, model: str, at: datetime, prompt_tokens: int = 0, service_tier: str = ""
    ) -> Rates | None:
        """Rates in force at `at`; None where the price, or that of the service tier, is unknown.

        Args:
            provider: as the call names it.
            model: as the call names it.
            at: when the call was made.
            prompt_tokens: the size of its whole prompt.
            service_tier: as `Usage.service_tier` has it.
        """
        name, contract = self._contract(provider, model, at)
        if contract is None:
            return self._list_rates(provider, model, at, prompt_tokens, service_tier)
        words = [word for word in service_tier.split("+") if word]
        agreed = [contract.tier_factors[word] for word in words if word in contract.tier_factors]
        rest = "+".join(word for word in words if word not in contract.tier_factors)
        if contract.input_usd_per_mtok is not None:
            rates = None if rest else _contract_rates(name, contract)
        else:
            rates = self._list_rates(provider, model, at, prompt_tokens, rest)
            if rates is not None and contract.discount:
                less = f"{rates.source.name}, less {contract.discount:%} by {contract.source or _setting(name)}"
                source = Source(less, contract.date or rates.source.date, assumed=rates.source.assumed)
                rates = _times(rates, 1 - contract.discount, 1 - contract.discount, source, pieces=True)
        for factor in agreed:
            rates = rates and _times(rates, factor, factor, rates.source)
        return rates

    def price_usage(self, provider: str, model: str, usage: Usage, at: datetime) -> Priced:
        """Exact cost of one call's tokens at the price of `at`."""
        rates = self.rates(provider, model, at, usage.prompt_tokens, usage.service_tier)
        usd = None if rates is None else rates.usd(usage)
        if rates is None or usd is None:
            missing = self.missing(provider, model, usage, at)
            return Priced(None, Source(f"unknown: no price of {missing}", at.date().isoformat()))
        return Priced(usd, rates.source)

    def missing(self, provider: str, model: str, usage: Usage, at: datetime) -> str:
        """What nobody prices of a call, in words; "" where all of it has a price."""
        named = "/".join(filter(None, (provider, model))) if model else "a model that is not named"
        rates = self.rates(provider, model, at, usage.prompt_tokens, usage.service_tier)
        if rates is not None:
            kind = rates.unpriced(usage)
            return f"{kind} of {named}" if kind else ""
        if usage.service_tier and self.rates(provider, model, at, usage.prompt_tokens) is not None:
            return f"{named} in the service tier {usage.service_tier}"
        return named

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

    def states(self, provider: str, model: str, at: datetime) -> bool:
        """Whether the user's own contract states the price of that day, so that no list is asked for it."""
        contract = self._contract(provider, model, at)[1]
        return contract is not None and contract.input_usd_per_mtok is not None

    def bands(self, provider: str, model: str, at: datetime) -> tuple[int, ...]:
        """Prompt sizes above which the price of every token of a call changes, ascending; mostly none."""
        if self.states(provider, model, at):
            return ()
        found = self._find(provider, model, at)
        return () if found is None else found[0].steps

    def by_the_hour(self, provider: str, model: str, at: datetime) -> bool:
        """Whether some price of that day depends on the time of day."""
        if self.states(provider, model, at):
            return False
        found = self._find(provider, model, at)
        return found is not None and found[0].by_the_hour

    def listed(self, provider: str, model: str, at: datetime) -> Listed | None:
        """The catalogue's own entry behind `rates`; None where it has none."""
        found = self._find(provider, model, at)
        return None if found is None else found[0]

    def _contract(self, provider: str, model: str, at: datetime) -> tuple[str, PriceSettings | None]:
        """The user's own price on that day, and the name it has in the settings; the nearest name comes first."""
        if self._contracts:
            for name in (f"{provider}/{model}", model, f"{provider}/*", "*"):
                found = self._contracts.get(name.lower())
                if found is not None and _in_force(found, at):
                    return name, found
        return "", None

    def _list_rates(
        self, provider: str, model: str, at: datetime, prompt_tokens: int, service_tier: str
    ) -> Rates | None:
        found = self._find(provider, model, at, service_tier)
        if found is None:
            return None
        listed, borrowed = found
        rates = _rates_of(listed, prompt_tokens, borrowed=borrowed)
        for word in listed.unpriced_terms:
            term = _terms.term(listed.provider, listed.model, word)
            if term is None:
                return None
            name = f"{rates.source.name}, {term.factor} times it for {word} by {term.source} ({term.as_of})"
            source = Source(name, rates.source.date, assumed=rates.source.assumed)
            rates = _times(rates, term.factor, term.cache_factor, source)
        return rates

    def _find(self, provider: str, model: str, at: datetime, tier: str = "") -> tuple[Listed, bool] | None:
        """The entry, and whether it is somebody else's list price that stands in for this provider's."""
        moment = at.replace(minute=at.minute // 10 * 10, second=0, microsecond=0)  # prices by the hour begin on these
        key = (provider, model, tier, moment)
        if key not in self._listed:
            self._listed[key] = self._look_up(provider, model, moment, tier)
        return self._listed[key]

    def _look_up(self, provider: str, model: str, at: datetime, tier: str) -> tuple[Listed, bool] | None:
        own = _catalogue.find(provider, model, at, tier) if provider else None
        if own is None and (url := self._base_urls.get(provider)):
            own = _catalogue.find_by_url(url, model, at, tier)
        if own is not None:
            return (own, False) if own.input is not None else None
        vendor, _, name = model.partition("/")
        found = _catalogue.find(None, model, at, tier) or (_catalogue.find(vendor, name, at, tier) if name else None)
        return (found, True) if found is not None and found.input is not None else None


def price_usage(provider: str, model: str, usage: Usage, at: datetime) -> Priced:
    """Exact cost of one call's tokens at list price; see `PriceBook` for a user's own prices."""
    return _list_prices.price_usage(provider, model, usage, at)


def price_call(call: Call) -> Priced:
    """Exact cost of a call at the list price of its day; see `PriceBook` for a user's own prices."""
    return _list_prices.price_call(call)


_list_prices = PriceBook()


def _rates_of(listed: Listed, prompt_tokens: int, *, borrowed: bool) -> Rates:
    """What a price list says, with one kind's price for another where the list tells the two not apart."""
    assert listed.input is not None

    def at(price: Tiered | None, otherwise: Decimal | None = None) -> Decimal | None:
        return otherwise if price is None else price.at(prompt_tokens)

    plain = listed.input.at(prompt_tokens)
    read, output = at(listed.cache_read, plain), at(listed.output)
    hour = _terms.hour(listed.provider)
    # A model without a price of writing has no cache: whatever is counted as written is plain input.
    kept = hour and (hour.input_factor if listed.cache_write is not None else 1) * plain
    apart = _terms.bills_audio_apart(listed.provider)
    name = f"genai-prices {_catalogue.package_version()}, list price of {listed.provider}/{listed.model}"
    return Rates(
        input_usd_per_mtok=plain,
        cache_read_usd_per_mtok=read,
        cache_write_usd_per_mtok=at(listed.cache_write, plain),
        cache_write_1h_usd_per_mtok=at(listed.cache_write_1h, kept),
        output_usd_per_mtok=output,
        reasoning_usd_per_mtok=at(listed.reasoning, output),
        input_audio_usd_per_mtok=at(listed.input_audio, None if apart else plain),
        input_image_usd_per_mtok=at(listed.input_image, plain),
        cache_read_audio_usd_per_mtok=at(listed.cache_read_audio, None if apart or listed.input_audio else read),
        cache_read_image_usd_per_mtok=at(listed.cache_read_image, None if listed.input_image else read),
        output_audio_usd_per_mtok=at(listed.output_audio, None if apart else output),
        output_image_usd_per_mtok=at(listed.output_image, output),
        web_search_usd=listed.web_search_usd,
        request_usd=listed.request_usd,
        source=Source(f"{name}, found by the model's name" if borrowed else name, listed.date, assumed=borrowed),
    )


def _contract_rates(name: str, price: PriceSettings) -> Rates:
    plain, output = price.input_usd_per_mtok, price.output_usd_per_mtok
    assert plain is not None
    read = plain if price.cached_usd_per_mtok is None else price.cached_usd_per_mtok
    image = price.input_image_usd_per_mtok
    return Rates(
        input_usd_per_mtok=plain,
        cache_read_usd_per_mtok=read,
        cache_write_usd_per_mtok=plain if price.cache_write_usd_per_mtok is None else price.cache_write_usd_per_mtok,
        cache_write_1h_usd_per_mtok=price.cache_write_1h_usd_per_mtok,
        output_usd_per_mtok=output,
        reasoning_usd_per_mtok=output,
        input_audio_usd_per_mtok=price.input_audio_usd_per_mtok,
        input_image_usd_per_mtok=plain if image is None else image,
        cache_read_audio_usd_per_mtok=price.cached_audio_usd_per_mtok,
        cache_read_image_usd_per_mtok=read if image is None else None,
        output_audio_usd_per_mtok=price.output_audio_usd_per_mtok,
        output_image_usd_per_mtok=output
        if price.output_image_usd_per_mtok is None
        else price.output_image_usd_per_mtok,
        web_search_usd=price.web_search_usd,
        request_usd=price.request_usd or ZERO,
        source=Source(price.source or _setting(name), price.date),
    )


def _setting(name: str) -> str:
    return f'settings, prices."{name}"'


def _in_force(price: PriceSettings, at: datetime) -> bool:
    day = at.astimezone(UTC).date()
    return (price.since is None or price.since <= day) and (price.until is None or day < price.until)


def _times(rates: Rates, factor: Decimal, cached: Decimal | None, source: Source, *, pieces: bool = False) -> Rates:
    """Rates with a factor on every token, `cached` on those of caches (None: unknown); on searches only as `pieces`."""
    changed: dict[str, Decimal | None] = {}
    for field in Rates.__struct_fields__:
        value = getattr(rates, field)
        if field.endswith("_usd_per_mtok") and value is not None:
            by = cached if field.startswith("cache_") else factor
            changed[field] = None if by is None else value * by
        elif field in ("web_search_usd", "request_usd") and value is not None and pieces:
            changed[field] = value * factor
    return msgspec.structs.replace(rates, source=source, **changed)
