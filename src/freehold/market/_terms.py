"""Dated facts of our own about prices: other service tiers than the standard one, hour-long caches, audio.

They stand in where the catalogue of list prices is silent. What stands in neither is unknown.
"""

from __future__ import annotations

import tomllib
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

import msgspec

FILE_NAME = "terms.toml"


class Term(msgspec.Struct, frozen=True):
    """A service tier's price as a factor on the standard one. `cache_factor` None: unknown for cached tokens."""

    provider: str
    tier: str
    factor: Decimal
    source: str
    as_of: str
    cache_factor: Decimal | None = None
    models: tuple[str, ...] = ("*",)


class Hour(msgspec.Struct, frozen=True):
    """What writing to a cache for an hour costs, as a factor on plain input."""

    provider: str
    input_factor: Decimal
    source: str
    as_of: str


class Audio(msgspec.Struct, frozen=True):
    """Who bills audio apart from text, whatever the catalogue says or does not."""

    provider: str
    source: str
    as_of: str


class _File(msgspec.Struct, frozen=True):
    term: tuple[Term, ...]
    hour: tuple[Hour, ...]
    audio: tuple[Audio, ...]


def term(provider: str, model: str, tier: str) -> Term | None:
    """What is known of one tier of a model, or None. `provider` and `model`: as the catalogue names them."""
    name = model.lower().rsplit("/", 1)[-1]
    for one in _file().term:
        if one.provider == provider and one.tier == tier and any(fnmatchcase(name, p) for p in one.models):
            return one
    return None


def hour(provider: str) -> Hour | None:
    """What is known of a provider's hour-long caches; None where nothing is."""
    return next((one for one in _file().hour if one.provider == provider), None)


def bills_audio_apart(provider: str) -> bool:
    """Whether no price of audio means that it is unknown, and not that audio costs what text does."""
    return any(one.provider == provider for one in _file().audio)


@cache
def _file() -> _File:
    text = files("freehold.market").joinpath(FILE_NAME).read_text("utf-8")
    return msgspec.convert(tomllib.loads(text, parse_float=Decimal), _File)
