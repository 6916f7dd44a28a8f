"""What tokens cost, in whole numbers: picodollars a token, so that a call is priced without a decimal on its path.

Method: `freehold.market.tokens.PriceBook`, asked once per provider, model and ten minutes. A list price with more than
six decimals per million tokens is rounded up. The catalogue of list prices takes 80 to 200 ms of CPU and 15 MB, so that
it is loaded only where a key has a budget, and in a thread, unless a call needs it sooner; a price that the settings
state needs none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from freehold.settings import PriceSettings
from freehold.vocabulary import Usage

if TYPE_CHECKING:
    from freehold.market.tokens import PriceBook, Rates

_AGE_NS: Final = 600_000_000_000
_MOST_MODELS: Final = 4096
"""Names of models come from clients: what they can make us remember is bounded."""


class Tariff(NamedTuple):
    """One model's prices for prompts of one size in one service tier, in picodollars a token of plain text.

    `rates` has all of them, and prices what is no plain text, or has a kind of tokens that nobody prices (`partial`).
    """

    input: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int
    request: int
    rates: Rates
    partial: bool

    def nano_usd(self, usage: Usage) -> int | None:
        """What an answer cost, in nanodollars, rounded up; None where it has tokens that nobody prices."""
        if self.partial or not usage.is_plain:
            usd = self.rates.usd(usage)
            return None if usd is None else int((usd * 10**9).to_integral_value(ROUND_CEILING))
        pico = (
            usage.input_tokens * self.input
            + usage.cache_read_tokens * self.cache_read
            + usage.cache_write_tokens * self.cache_write
            + (usage.output_tokens - usage.reasoning_tokens) * self.output
            + usage.reasoning_tokens * self.reasoning
            + self.request
        )
        return -(-pico // 1000)

    def worst_nano_usd(self, prompt_tokens: int, output_tokens: int) -> int:
        """The most that so many tokens of text can cost, whichever kind they turn out to be."""
        hour = self.rates.cache_write_1h_usd_per_mtok
        prompt = max(self.input, self.cache_read, self.cache_write, 0 if hour is None else _pico(hour))
        output = max(self.output, self.reasoning)
        return -(-(prompt_tokens * prompt + output_tokens * output + self.request) // 1000)


class Tariffs:
    """Prices as this user pays them, kept for ten minutes.

    Args:
        contracts: `[prices."provider/model"]` of the settings.
        base_urls: address by provider name.
    """

    def __init__(self, contracts: Mapping[str, PriceSettings], base_urls: Mapping[str, str]) -> None:
        self._contracts, self._base_urls = contracts, base_urls
        self._book: PriceBook | None = None
        self._loaded = False
        self._since_ns = 0
        self._known: dict[tuple[str, str, str], tuple[tuple[int, ...], tuple[Tariff, ...]] | None] = {}

    @property
    def ready(self) -> bool:
        """Whether prices can be asked for without loading anything heavy."""
        return self._loaded

    def states(self, provider: str, model: str, now_ns: int) -> bool:
        """Whether the settings state a model's price, so that it can be asked for before the catalogue is there."""
        if self._book is None:
            self._renew(now_ns)
        assert self._book is not None
        return self._book.states(provider, model, datetime.fromtimestamp(now_ns / 1e9, UTC))

    def load(self) -> None:
        """Load the catalogue. Takes a while: not on the event loop."""
        from freehold.market.tokens import PriceBook

        # any question loads the catalogue
        PriceBook(self._contracts, self._base_urls).rates("", "gpt-4.1", datetime.now(UTC))
        self._loaded = True

    def of(self, provider: str, model: str, prompt_tokens: int, now_ns: int, tier: str = "") -> Tariff | None:
        """The tariff of a model for a prompt of that size in a service tier; None where its price is unknown."""
        if not 0 <= now_ns - self._since_ns < _AGE_NS:
            self._renew(now_ns)
        key = (provider, model, tier)
        try:
            known = self._known[key]
        except KeyError:
            if len(self._known) >= _MOST_MODELS:
                self._renew(now_ns)
            known = self._known[key] = self._look_up(provider, model, tier, now_ns)
        if known is None:
            return None
        bands, tariffs = known
        return tariffs[bisect_left(bands, prompt_tokens)] if bands else tariffs[0]

    def _renew(self, now_ns: int) -> None:
        from freehold.market.tokens import PriceBook

        self._book = PriceBook(self._contracts, self._base_urls)  # it remembers what it was asked: begin anew
        self._since_ns = now_ns
        self._known.clear()

    def _look_up(
        self, provider: str, model: str, tier: str, now_ns: int
    ) -> tuple[tuple[int, ...], tuple[Tariff, ...]] | None:
        assert self._book is not None
        at = datetime.fromtimestamp(now_ns / 1e9, UTC)
        bands = self._book.bands(provider, model, at)
        found: list[Tariff] = []
        for size in (0, *(start + 1 for start in bands)):
            rates = self._book.rates(provider, model, at, size, tier)
            if rates is None:
                return None
            found.append(_tariff(rates))
        return bands, tuple(found)


def _tariff(rates: Rates) -> Tariff:
    plain = (
        rates.input_usd_per_mtok,
        rates.cache_read_usd_per_mtok,
        rates.cache_write_usd_per_mtok,
        rates.output_usd_per_mtok,
        rates.reasoning_usd_per_mtok,
    )
    return Tariff(
        *(0 if price is None else _pico(price) for price in plain),
        request=int((rates.request_usd * 10**12).to_integral_value(ROUND_CEILING)),
        rates=rates,
        partial=any(price is None for price in plain),
    )


def _pico(usd_per_mtok: Decimal) -> int:
    return int((usd_per_mtok * 10**6).to_integral_value(ROUND_CEILING))
