"""What one call's tokens cost, kind by kind. Arithmetic only: where the prices come from is `tokens`' to say."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from freehold.vocabulary import ZERO, Source, Usage


class Priced(msgspec.Struct, frozen=True):
    """An amount and where its price comes from. `usd` None: the price is unknown; `source.name` says what of it."""

    usd: Decimal | None
    source: Source


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What one call's tokens cost, in US dollars per million, for prompts of one size in one service tier.

    None: nobody states the price of tokens of that kind, and a call that has some is of unknown cost. Where a price
    list states one price for several kinds (images as text, reasoning as output), each of them has it here.
    """

    input_usd_per_mtok: Decimal
    cache_read_usd_per_mtok: Decimal | None
    cache_write_usd_per_mtok: Decimal | None
    output_usd_per_mtok: Decimal | None
    reasoning_usd_per_mtok: Decimal | None
    cache_write_1h_usd_per_mtok: Decimal | None = None
    input_audio_usd_per_mtok: Decimal | None = None
    input_image_usd_per_mtok: Decimal | None = None
    cache_read_audio_usd_per_mtok: Decimal | None = None
    cache_read_image_usd_per_mtok: Decimal | None = None
    output_audio_usd_per_mtok: Decimal | None = None
    output_image_usd_per_mtok: Decimal | None = None
    web_search_usd: Decimal | None = None
    request_usd: Decimal = ZERO
    source: Source

    def usd(self, usage: Usage, calls: int = 1) -> Decimal | None:
        """Exact cost of `usage`, which may be the sum of several calls; None where it has a kind of unknown price."""
        micro_usd = ZERO
        for kind in KINDS:
            count = kind.count(usage)
            if count:
                rate = kind.rate(self)
                if rate is None:
                    return None
                micro_usd += count * rate
        return micro_usd.scaleb(-6) + calls * self.request_usd

    def unpriced(self, usage: Usage) -> str:
        """The first kind of tokens that `usage` has and nobody prices, in words; "" where there is none."""
        return next((kind.name for kind in KINDS if kind.count(usage) and kind.rate(self) is None), "")


class Kind(msgspec.Struct, frozen=True):
    """One kind of what is paid for: how much of it a usage has (disjoint from all other kinds), and its rate.

    `rate` is per million, of searches too.
    """

    name: str
    count: Callable[[Usage], int]
    rate: Callable[[Rates], Decimal | None]


KINDS: tuple[Kind, ...] = (
    Kind(
        "input",
        lambda u: u.input_tokens - u.input_audio_tokens - u.input_image_tokens,
        lambda r: r.input_usd_per_mtok,
    ),
    Kind(
        "cached input",
        lambda u: u.cache_read_tokens - u.cache_read_audio_tokens - u.cache_read_image_tokens,
        lambda r: r.cache_read_usd_per_mtok,
    ),
    Kind("cache writes", lambda u: u.cache_write_tokens, lambda r: r.cache_write_usd_per_mtok),
    Kind("cache writes for an hour", lambda u: u.cache_write_1h_tokens, lambda r: r.cache_write_1h_usd_per_mtok),
    Kind(
        "output",
        lambda u: u.output_tokens - u.reasoning_tokens - u.output_audio_tokens - u.output_image_tokens,
        lambda r: r.output_usd_per_mtok,
    ),
    Kind("reasoning", lambda u: u.reasoning_tokens, lambda r: r.reasoning_usd_per_mtok),
    Kind("audio input", lambda u: u.input_audio_tokens, lambda r: r.input_audio_usd_per_mtok),
    Kind("image input", lambda u: u.input_image_tokens, lambda r: r.input_image_usd_per_mtok),
    Kind("cached audio", lambda u: u.cache_read_audio_tokens, lambda r: r.cache_read_audio_usd_per_mtok),
    Kind("cached images", lambda u: u.cache_read_image_tokens, lambda r: r.cache_read_image_usd_per_mtok),
    Kind("audio output", lambda u: u.output_audio_tokens, lambda r: r.output_audio_usd_per_mtok),
    Kind("image output", lambda u: u.output_image_tokens, lambda r: r.output_image_usd_per_mtok),
    Kind(
        "web searches",
        lambda u: u.web_searches,
        lambda r: None if r.web_search_usd is None else r.web_search_usd.scaleb(6),
    ),
)
"""Everything that a call may pay for but the call itself."""
