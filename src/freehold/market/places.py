"""Where a provider processes calls, and whether one place lies in another. What nothing states is unknown.

Says what a declaration, an address or a region says; it is no legal opinion, and knows nothing of sub-processors,
support staff or backups elsewhere.
"""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from freehold.settings import DEFAULT_REGION, ProviderSettings

_MEMBERS = "at be bg cy cz de dk ee es fi fr gr hr hu ie it lt lu lv mt nl pl pt ro se si sk"
_EU = frozenset(_MEMBERS.split())
_EEA = _EU | {"eu", "is", "li", "no"}
_PROFILES = {"eu": ("eu",), "us": ("us",)}
"""What Bedrock's cross-region profiles promise, by the beginning of the model's name (AWS's guide, 2026-11-26)."""
_ELSEWHERE = frozenset({"apac", "global", "jp", "au", "us-gov", "ca"})


class _Host(msgspec.Struct, frozen=True):
    host: str
    places: tuple[str, ...]
    source: str
    as_of: str


class _Region(msgspec.Struct, frozen=True):
    region: str
    places: tuple[str, ...]
    source: str
    as_of: str


class _File(msgspec.Struct, frozen=True):
    host: tuple[_Host, ...]
    region: tuple[_Region, ...]


def processes_in(provider: ProviderSettings | None, model: str = "") -> tuple[str, ...]:
    """Where calls to `model` may be processed; empty where nobody says so."""
    if provider is None:
        return ()
    if provider.processes_in:
        return provider.processes_in
    if provider.kind == "bedrock":
        return _of_bedrock(provider.region or DEFAULT_REGION, model)
    host = (urlsplit(provider.address).hostname or "").lower()
    return next((one.places for one in _file().host if fnmatchcase(host, one.host)), ())


def lies_in(place: str, wanted: tuple[str, ...]) -> Literal["yes", "no", "unknown"]:
    """Whether all of `place` lies in one of the wanted places; unknown where only a part of it may."""
    if any(_inside(place, one) for one in wanted):
        return "yes"
    return "unknown" if place == "global" or any(_inside(one, place) for one in wanted) else "no"


def _inside(place: str, other: str) -> bool:
    return place == other or (other == "eu" and place in _EU) or (other == "eea" and place in _EEA)


def _of_bedrock(region: str, model: str) -> tuple[str, ...]:
    profile = model.partition(".")[0]
    if profile in _PROFILES:
        return _PROFILES[profile]
    if profile in _ELSEWHERE:
        return ()
    return next((one.places for one in _file().region if fnmatchcase(region, one.region)), ())


@cache
def _file() -> _File:
    return msgspec.convert(
        tomllib.loads(files("freehold.market").joinpath("places.toml").read_text("utf-8")),
        _File,
    )
