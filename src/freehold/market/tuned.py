"""Models that a provider tunes for a customer and goes on to serve: what their answers cost, and until when."""

from __future__ import annotations

import tomllib
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files

import msgspec

from freehold.vocabulary import Source, Usage

from .tokens import PriceBook


class Tuned(msgspec.Struct, frozen=True):
    """A model that can be tuned, and what its answers cost then. `ends`: "" where nobody states an end.

    Prices are of uncached input, input read from a cache, and output, in US dollars per million tokens.
    """

    provider: str
    model: str
    input: Decimal
    cached: Decimal
    output: Decimal
    source: str
    date: str
    ends: str = ""


class TunedOffer(msgspec.Struct, frozen=True):
    """A tuned model, what a task's tokens cost on it over their cost now, and the share of that which is the prompt."""

    provider: str
    model: str
    ends: str
    ratio: Decimal
    prompt_share: Decimal
    source: Source


def tuned_offers(
    prices: PriceBook, provider: str, model: str, usage: Usage, calls: int, at: datetime
) -> tuple[TunedOffer, ...]:
    """What a provider tunes that would answer some tokens for less than today's model does, the cheapest first.

    A contract for `ft:MODEL`, or a list price of it, comes before the catalogue's. Models whose end is announced for
    that day or an earlier one stay out, as do all where today's price is unknown.

    Args:
        prices: as the home pays them.
        provider: whom the task rents from today.
        model: what it rents.
        usage: the tokens of `calls` calls.
        calls: how many.
        at: the day of the prices.
    """
    now = prices.rates(provider, model, at, usage.prompt_tokens // max(1, calls))
    paid = None if now is None else now.usd(usage, calls)
    if not paid:
        return ()
    found: list[TunedOffer] = []
    for one in _catalogue():
        if one.provider != provider.lower() or (one.ends and one.ends <= at.date().isoformat()):
            continue
        prompt, output, source = _costs(one, prices, usage, calls, at)
        if 0 < prompt + output < paid:
            ratio = (prompt + output) / paid
            found.append(TunedOffer(one.provider, one.model, one.ends, ratio, prompt / (prompt + output), source))
    return tuple(sorted(found, key=lambda offer: (offer.ratio, offer.model)))


def _costs(one: Tuned, prices: PriceBook, usage: Usage, calls: int, at: datetime) -> tuple[Decimal, Decimal, Source]:
    """What the prompts and the answers cost, and by whose prices."""
    prompts = msgspec.structs.replace(usage, output_tokens=0, reasoning_tokens=0)
    rates = prices.rates(one.provider, f"ft:{one.model}", at, usage.prompt_tokens // max(1, calls))
    if rates is not None:
        whole, part = rates.usd(usage, calls), rates.usd(prompts, calls)
        if whole is not None and part is not None:
            return part, whole - part, rates.source
    uncached = usage.prompt_tokens - usage.cache_read_tokens  # what was written to a cache among it
    prompt = (one.input * uncached + one.cached * usage.cache_read_tokens) / 1_000_000
    return prompt, one.output * usage.output_tokens / 1_000_000, Source(one.source, one.date)


@cache
def _catalogue() -> tuple[Tuned, ...]:
    text = files("freehold.market").joinpath("tuned.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text)["tuned"], tuple[Tuned, ...], strict=False)
