"""What else could answer: smaller rented models, open weights sold per token, open weights on rented GPUs.

Token prices come from the catalogue at the date asked; GPU prices and measured throughput from `facts.toml`, each with
source and date. Nothing here says whether another model's answers are any good: only a measurement can.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from statistics import median, quantiles

import msgspec

from freehold.vocabulary import Range, Source, Usage

from . import _catalogue
from ._catalogue import Listed
from .retirements import announced_end
from .tokens import PriceBook

_RESELLERS = ("openrouter", "github-copilot", "cursor", "quicksilverpro")
"""Who passes others' offers on: counting them would count an offer twice. Hugging Face names the seller behind each."""

_OTHER_TRADES = re.compile(
    r"audio|image|tts|transcri|realtime|search|live|embed|moderat|vision|video|voice|speech|robotic|omni|computer-use"
    r"|deep-research|codex|cyber|instruct|oss|banana|translate|rosalind|^ft:|\.ft-|:|latest"
)
"""Names in a family that sell something other than text for text, or that move: never a stand-in for a chat model."""


class Sibling(msgspec.Struct, frozen=True):
    """A cheaper model of the same provider and family. `ratio`: cost of the given tokens on it over their cost now.

    `ends`: the day of its announced shutdown, "" where none is announced.
    """

    provider: str
    model: str
    ratio: Decimal
    source: Source
    ends: str = ""


class Point(msgspec.Struct, frozen=True, array_like=True):
    """One measured point of serving: a closed loop of `clients`, one replica."""

    prompt_tokens: int
    output_tokens: int
    clients: int
    ttft_ms: float
    tpot_ms: float

    @property
    def seconds_per_request(self) -> float:
        """Time of the replica that one request takes up, by Little's law; the inverse of requests a second."""
        return (self.ttft_ms + self.tpot_ms * (self.output_tokens - 1)) / 1000 / self.clients


class Gpu(msgspec.Struct, frozen=True):
    """What a GPU rents for, per hour, on demand."""

    name: str
    low: Decimal
    mid: Decimal
    high: Decimal
    source: str
    date: str


class Weights(msgspec.Struct, frozen=True):
    """Open weights: how sellers name them, and what serving them measured. No `gpu`: no measurement is at hand."""

    name: str
    size: str
    pattern: str
    context_tokens: int
    source: str
    date: str
    gpu: str = ""
    gpus: int = 0
    points: tuple[Point, ...] = ()


class TokenOffer(msgspec.Struct, frozen=True):
    """Open weights as sold per token: lower quartile, median and upper quartile over sellers."""

    weights: str
    input_usd_per_mtok: Range
    output_usd_per_mtok: Range
    sellers: int
    source: Source


class _Facts(msgspec.Struct, frozen=True):
    gpu: tuple[Gpu, ...]
    weights: tuple[Weights, ...]


def gpu(name: str) -> Gpu:
    """The rental of one GPU.

    Raises:
        KeyError: the catalogue has no such GPU.
    """
    found = {entry.name: entry for entry in _facts().gpu}
    return found[name]


def gpus() -> tuple[Gpu, ...]:
    """Every rental in the catalogue."""
    return _facts().gpu


def open_weights() -> tuple[Weights, ...]:
    """Every open model in the catalogue."""
    return _facts().weights


def weights_named(model: str) -> str:
    """The open weights that a seller's name for a model stands for, "" where the catalogue knows none."""
    name = model.lower().rsplit("/", 1)[-1]
    alike = (one.name for one in open_weights() if one.name.lower() == name or re.fullmatch(one.pattern, name))
    return next(alike, "")


def token_offer(weights: Weights, at: datetime) -> TokenOffer | None:
    """What sellers ask for these weights at `at`, each seller counted once at its cheapest; None where nobody sells."""
    by_seller: dict[str, tuple[Decimal, Decimal]] = {}
    for listed in _catalogue.offers(weights.pattern, at):
        if listed.provider in _RESELLERS or listed.input is None or listed.output is None:
            continue
        price = (listed.input.base, listed.output.base)
        seller = listed.provider.removeprefix("huggingface_")
        by_seller[seller] = min(by_seller.get(seller, price), price, key=sum)
    if not by_seller:
        return None
    name = f"genai-prices {_catalogue.package_version()}, {weights.name}, {len(by_seller)} sellers, quartiles"
    return TokenOffer(
        weights=weights.name,
        input_usd_per_mtok=_quartiles([price[0] for price in by_seller.values()]),
        output_usd_per_mtok=_quartiles([price[1] for price in by_seller.values()]),
        sellers=len(by_seller),
        source=Source(name, _catalogue.catalogue_date()),
    )


def smaller_siblings(
    prices: PriceBook, provider: str, model: str, usage: Usage, calls: int, at: datetime
) -> tuple[Sibling, ...]:
    """Cheaper models of the same provider and family, at most three: those of the same generation, then the cheapest.

    `usage` over `calls` is the task's own mix of tokens, by which "cheaper" (under 60 % of the price) is judged. Rule
    of names, not of quality. Models that are deprecated or shut down by then and earlier generations stay out, as do
    those whose context is too short for the mean prompt.
    """
    here = prices.listed(provider, model, at)
    now = prices.rates(provider, model, at, usage.prompt_tokens // max(1, calls))
    paid = None if now is None else now.usd(usage, calls)
    if here is None or not paid:
        return ()
    found: list[Sibling] = []
    for listed in _catalogue.models_of(here.provider, at):
        if not _same_trade(listed, here, usage.prompt_tokens // max(1, calls)):
            continue
        ends = announced_end(here.provider, listed.model)
        if ends is not None and ends <= at.date():
            continue
        rates = prices.rates(here.provider, listed.model, at, usage.prompt_tokens // max(1, calls))
        usd = None if rates is None else rates.usd(usage, calls)
        if rates is not None and usd is not None and usd / paid < Decimal("0.6"):
            found.append(Sibling(here.provider, listed.model, usd / paid, rates.source, day_text(ends)))
    found.sort(key=lambda sibling: (sibling.ratio, sibling.model))
    same = [sibling for sibling in found if sibling.model.lower().startswith(f"{here.model.lower()}-")][:2]
    return tuple(same + [sibling for sibling in found if sibling not in same][: 3 - len(same)][:1])


def day_text(day: date | None) -> str:
    """A day as 2026-01-31, "" for none."""
    return "" if day is None else day.isoformat()


def _same_trade(listed: Listed, here: Listed, prompt_tokens: int) -> bool:
    name = listed.model.lower()
    if _family(name) != _family(here.model.lower()) or _OTHER_TRADES.search(name) or listed.deprecated:
        return False
    if _generation(name) < _generation(here.model.lower()):
        return False
    if listed.context_tokens is not None and listed.context_tokens < 2 * prompt_tokens:
        return False
    return listed.output is not None and not any("image" in extra or "output_audio" in extra for extra in listed.extras)


def _family(name: str) -> str:
    return re.split(r"[^a-z]", name, maxsplit=1)[0]


def _generation(name: str) -> int:
    """The first number in a model's name; names without one are taken for the newest."""
    number = re.search(r"\d+", name)
    return int(number.group()) if number else sys.maxsize


def _quartiles(values: Sequence[Decimal]) -> Range:
    if len(values) == 1:
        return Range(values[0], values[0], values[0])
    low, _, high = quantiles(values, n=4, method="inclusive")
    return Range(low, median(values), high)


@cache
def _facts() -> _Facts:
    text = files("freehold.market").joinpath("facts.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _Facts)
