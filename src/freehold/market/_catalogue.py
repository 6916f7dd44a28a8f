"""The one place that touches `genai-prices`: models, their aliases, and rates at a date, as our own structs.

Loading its data takes about half a second, so that it happens at the first question and never at import. An update
that the running program installed in `genai-prices` itself is used; nothing here fetches one.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

_CHECKED = re.compile(r"verified on (20\d\d-[01]\d-[0-3]\d)")


class Tiered(msgspec.Struct, frozen=True):
    """A price that depends on the size of the whole prompt.

    `steps` are (prompt tokens above which it applies, price), ascending; the step reached prices every token of the
    call, not only those above it.
    """

    base: Decimal
    steps: tuple[tuple[int, Decimal], ...] = ()

    def at(self, prompt_tokens: int) -> Decimal:
        """Price of every token of a call whose prompt, cached part included, has `prompt_tokens`."""
        price = self.base
        for start, step in self.steps:
            if prompt_tokens > start:
                price = step
        return price


class Listed(msgspec.Struct, frozen=True):
    """One model's list price at a date, in US dollars per million tokens (`request_usd`, `web_search_usd`: apiece).

    None: the catalogue states no price of that kind. `extras` names all prices but those of plain text, its caches and
    searches. `unpriced_terms` are words of the service tier asked for that the catalogue has no prices for: the prices
    are those without them. `by_the_hour`: some price of the model depends on the time of day.
    """

    provider: str
    model: str
    input: Tiered | None
    cache_read: Tiered | None
    cache_write: Tiered | None
    output: Tiered | None
    reasoning: Tiered | None
    request_usd: Decimal
    extras: tuple[str, ...]
    context_tokens: int | None
    deprecated: bool
    date: str
    cache_write_1h: Tiered | None = None
    input_audio: Tiered | None = None
    input_image: Tiered | None = None
    cache_read_audio: Tiered | None = None
    cache_read_image: Tiered | None = None
    output_audio: Tiered | None = None
    output_image: Tiered | None = None
    web_search_usd: Decimal | None = None
    unpriced_terms: tuple[str, ...] = ()
    by_the_hour: bool = False

    @property
    def steps(self) -> tuple[int, ...]:
        """Prompt sizes above which some price of this model changes, ascending."""
        prices = (getattr(self, name) for name in _PRICES)
        return tuple(sorted({start for price in prices if price is not None for start, _ in price.steps}))


_PRICES = {
    "input": "input_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "output": "output_mtok",
    "reasoning": "output_reasoning_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "input_audio": "input_audio_mtok",
    "input_image": "input_image_mtok",
    "cache_read_audio": "cache_audio_read_mtok",
    "cache_read_image": "cache_image_read_mtok",
    "output_audio": "output_audio_mtok",
    "output_image": "output_image_mtok",
}
"""Our names of prices, and the catalogue's."""

_TEXT = ("input", "cache_read", "cache_write", "output", "reasoning", "cache_write_1h")


@cache
def package_version() -> str:
    """Version of the catalogue, for sources."""
    return version("genai-prices")


@cache
def catalogue_date() -> str:
    """The latest date on which the catalogue says that it checked a price; "" where it says none."""
    found = [d for provider in _providers() for model in provider.models for d in _CHECKED.findall(_comment(model))]
    return max(found, default="")


def find(provider: str | None, model: str, at: datetime, tier: str = "") -> Listed | None:
    """List price of `model` at `at` in a service tier (`Usage.service_tier`).

    With `provider` None the provider is the one that the model's name belongs to. None where nothing matches.
    """
    from genai_prices.data_snapshot import get_snapshot

    try:
        entry, info = get_snapshot().find_provider_model(model, None, provider, None)
    except LookupError:
        return None
    return _listed(entry, info, at, tier)


def find_by_url(url: str, model: str, at: datetime, tier: str = "") -> Listed | None:
    """List price of `model` where the API at `url` sells it; None where the address or the model is unknown."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        entry, info = get_snapshot().find_provider_model(model, None, None, url)
    except LookupError:
        return None
    return _listed(entry, info, at, tier)


def models_of(provider: str, at: datetime) -> tuple[Listed, ...]:
    """Every model that one provider lists, at the prices of `at`."""
    return tuple(_listed(p, m, at) for p in _providers() if p.id == provider for m in p.models)


def offers(pattern: str, at: datetime) -> tuple[Listed, ...]:
    """Every listed model whose name, without a leading vendor path, matches `pattern` whole."""
    wanted = re.compile(pattern)
    return tuple(
        _listed(p, m, at) for p in _providers() for m in p.models if wanted.fullmatch(m.id.lower().rsplit("/", 1)[-1])
    )


def _providers() -> list[Provider]:
    from genai_prices.data_snapshot import get_snapshot

    return get_snapshot().providers


def _comment(model: ModelInfo) -> str:
    return model.price_comments or ""


def _listed(provider: Provider, model: ModelInfo, at: datetime, tier: str = "") -> Listed:
    context, unpriced, since = _context(model, at, tier)
    prices = dict(model.get_prices(at, context).__dict__)
    known = {name: _tiered(prices.get(key)) for name, key in _PRICES.items()}
    for name in _TEXT:
        prices.pop(_PRICES[name], None)
    per_call, per_search = prices.pop("requests_kcount", None), prices.pop("web_searches_kcount", None)
    return Listed(
        provider=provider.id,
        model=model.id,
        **known,
        request_usd=per_call.scaleb(-3) if isinstance(per_call, Decimal) else Decimal(0),
        extras=tuple(sorted(name for name, value in prices.items() if value is not None)),
        context_tokens=model.context_window,
        deprecated=bool(model.deprecated),
        date=max(_date_of(model, at), since),
        web_search_usd=per_search.scaleb(-3) if isinstance(per_search, Decimal) else None,
        unpriced_terms=unpriced,
        by_the_hour=_by_the_hour(model),
    )


def _by_the_hour(model: ModelInfo) -> bool:
    from genai_prices.types import TimeOfDateConstraint

    priced = [*(model.prices if isinstance(model.prices, list) else ()), *(model.price_variants or ())]
    return any(isinstance(one.constraint, TimeOfDateConstraint) for one in priced)


def _context(model: ModelInfo, at: datetime, tier: str) -> tuple[dict[str, str], tuple[str, ...], str]:
    """What to ask the catalogue for, the words of the tier that it has no prices for, and since when it has the others.

    A price may be stated for a date that has not come; until then the word is one that it does not know.
    """
    context: dict[str, str] = {}
    unpriced: list[str] = []
    since = ""
    for word in filter(None, tier.split("+")):
        for key in ("processing", "service_tier", "speed"):
            starts = [
                getattr(one.constraint, "start_date", None)
                for one in model.price_variants or ()
                if one.when == {key: word} and (one.constraint is None or one.constraint.active(at))
            ]
            if starts and key not in context:
                context[key] = word
                since = max([since, *(start.isoformat() for start in starts if start is not None)])
                break
        else:
            unpriced.append(word)
    return context, tuple(unpriced), since


def _tiered(value: Any) -> Tiered | None:
    if value is None:
        return None
    if isinstance(value, Decimal):
        return Tiered(value)
    return Tiered(value.base, tuple((step.start, step.price) for step in value.tiers))


def _date_of(model: ModelInfo, at: datetime) -> str:
    """When the price in force began, else when it was last checked, else when the catalogue last checked any."""
    starts: list[str] = []
    if isinstance(model.prices, list):
        for conditional in model.prices:
            start = getattr(conditional.constraint, "start_date", None)
            if start is not None and start <= at.date():
                starts.append(start.isoformat())
    return max(starts, default="") or max(_CHECKED.findall(_comment(model)), default="") or catalogue_date()
