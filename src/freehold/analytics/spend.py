"""Where the money goes: sums of requests, priced exactly and added up by whatever they were asked for.

Sums are of requests alike in everything that a price depends on (the time, the model, the service tier, the size of the
prompt), so that pricing a sum is pricing each of its requests. What nobody prices is counted, never taken for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from freehold.market.tokens import PriceBook
from freehold.vocabulary import ENDED_FREE, ZERO, Source, Usage


class Requests(NamedTuple):
    """Requests to rented models that cost alike: at one time, of one model, tier, size of prompt and outcome.

    `asked_model` is the model that was asked for, `model` the one that the answer names. Of `n` requests `unknown`
    state no tokens and are not in `usage`, and `estimated` have counts that no provider stated. Their prompts have more
    than `prompt_over` tokens and reach the next step of no price. `factor` is on the price of `at`.
    """

    group: tuple[str, ...]
    at: datetime
    provider: str
    asked_model: str
    model: str
    service_tier: str
    prompt_over: int
    outcome: str
    n: int
    unknown: int
    estimated: int
    usage: Usage
    factor: Decimal = Decimal(1)


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What the requests of one group cost. The cache-read tokens are among the prompt tokens.

    `usd` is the exact cost of all but the `unpriced` requests, whose cost is unknown: the provider stated no tokens
    (`unknown_usage`), or there is no price of them. `share` is of the cost of all groups together, None where that is
    nothing. `estimated` requests have token counts that no provider stated.
    """

    by: Mapping[str, str]
    requests: int
    prompt_tokens: int
    cache_read_tokens: int
    output_tokens: int
    usd: Decimal
    share: float | None
    unpriced: int
    unknown_usage: int
    estimated: int


class Spend(msgspec.Struct, frozen=True):
    """What all requests cost, and each group's part, the dearest first.

    `sources` are the prices that were used, each with its date; `unpriced` says what has no price, in words, with the
    number of requests.
    """

    total: Spent
    groups: tuple[Spent, ...]
    sources: tuple[Source, ...]
    unpriced: Mapping[str, int]


class _Sum:
    __slots__ = ("cached", "estimated", "output", "prompt", "requests", "unknown", "unpriced", "usd")

    def __init__(self) -> None:
        self.requests = self.unknown = self.unpriced = self.estimated = 0
        self.prompt = self.cached = self.output = 0
        self.usd = ZERO

    def add(self, some: Requests, usd: Decimal | None, unknown: int) -> None:
        self.requests += some.n
        self.unknown += unknown
        self.unpriced += unknown if usd is not None else some.n - some.unknown + unknown
        self.estimated += some.estimated
        self.prompt += some.usage.prompt_tokens
        self.cached += some.usage.cache_read_tokens
        self.output += some.usage.output_tokens
        self.usd += usd or ZERO

    def spent(self, by: Mapping[str, str], whole: Decimal) -> Spent:
        return Spent(
            by=by,
            requests=self.requests,
            prompt_tokens=self.prompt,
            cache_read_tokens=self.cached,
            output_tokens=self.output,
            usd=self.usd,
            share=float(self.usd / whole) if whole else None,
            unpriced=self.unpriced,
            unknown_usage=self.unknown,
            estimated=self.estimated,
        )


def add_up(requests: Iterable[Requests], prices: PriceBook, names: tuple[str, ...]) -> Spend:
    """Price requests and add them up.

    Args:
        requests: in any order.
        prices: as the home pays them.
        names: what the parts of a group are called.
    """
    total = _Sum()
    groups: dict[tuple[str, ...], _Sum] = {}
    sources: dict[Source, None] = {}
    unpriced: dict[str, int] = {}
    for some in requests:
        unknown = 0 if some.outcome in ENDED_FREE else some.unknown
        usd, source, missing = _price(some, prices)
        if source is not None and usd:
            sources[source] = None
        if missing:
            unpriced[missing] = unpriced.get(missing, 0) + some.n - some.unknown
        if unknown:
            unpriced[_UNSTATED] = unpriced.get(_UNSTATED, 0) + unknown
        for one in (total, groups.setdefault(some.group, _Sum())):
            one.add(some, usd, unknown)
    made = [one.spent(dict(zip(names, group, strict=True)), total.usd) for group, one in groups.items()]
    return Spend(
        total.spent({}, total.usd),
        tuple(sorted(made, key=lambda one: (-one.usd, -one.requests, *one.by.values()))),
        tuple(sources),
        dict(sorted(unpriced.items(), key=lambda one: -one[1])),
    )


_UNSTATED = "requests of which the provider stated no tokens"


def _price(some: Requests, prices: PriceBook) -> tuple[Decimal | None, Source | None, str]:
    """The cost of the requests that state tokens, where its price comes from, and what has none, in words.

    The model that was asked for comes first, which the user's contract is about, as in `PriceBook.price_leg`.
    """
    stated = some.n - some.unknown
    if not stated:
        return ZERO, None, ""
    for model in dict.fromkeys((some.asked_model, some.model)):
        rates = prices.rates(some.provider, model, some.at, some.prompt_over + 1, some.service_tier)
        usd = None if rates is None else rates.usd(some.usage, stated)
        if rates is not None and usd is not None:
            return usd * some.factor, rates.source, ""
    usage = msgspec.structs.replace(some.usage, service_tier=some.service_tier)
    return None, None, prices.missing(some.provider, some.asked_model, usage, some.at)
