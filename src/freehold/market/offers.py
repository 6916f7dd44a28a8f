"""GPU offers by cloud, place and term: a small dated catalogue, the user's own lists, and SkyPilot's catalogue files.

A user's list of a cloud replaces the catalogue's lists of that cloud. Every offer keeps its source and its day. Nothing
here fetches anything, and nothing promises that a price is still asked or that the machine is to be had.
"""

from __future__ import annotations

import csv
import json
import math
import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

import msgspec

from freehold.errors import ConfigurationError, UsageError

from .gpus import known

FILE_NAME = "offers.toml"
"""The user's own lists, in the home, in the form of the catalogue."""

Term = Literal["on_demand", "spot", "6mo", "12mo", "36mo"]
TERMS: tuple[Term, ...] = get_args(Term)
ZONES = ("eu", "us", "ca", "in", "global")
MONTHS: dict[Term, int] = {"on_demand": 0, "spot": 0, "6mo": 6, "12mo": 12, "36mo": 36}
"""What a term commits to."""

_PLACES: tuple[tuple[str, str], ...] = (
    (
        # London, Zurich and Serbia are not in the Union, whatever AWS, Google, Oracle and IBM name them.
        "global",
        r"eu-west-2.*|eu-central-2.*|europe-west[26](-.*)?|eu-(gb|zurich|jovanovac)(-.*)?",
    ),
    (
        "eu",
        r"eu-.*|europe-.*|fin-.*|(west|north)europe|(francec|germanywestc|swedenc|polandc|spainc)entral|italynorth",
    ),
    ("us", r"us(-.*)?|(north|south|west)?(central|east|west)us\d?"),
    ("ca", r"ca-.*|canada.*|northamerica-northeast\d"),
    ("in", r"ap-south-[12]|asia-south[12]|(south|west|central|jio)?india[a-z]*|in-.*"),
)
"""How clouds name places. What matches nothing is `global`: residency is not granted by a guess."""


class Offer(msgspec.Struct, frozen=True):
    """One kind of GPU of one cloud in one place under one term.

    `usd` per GPU and hour. `together`: GPUs in the machine that is sold.
    """

    gpu: str
    cloud: str
    zone: str
    place: str
    term: Term
    usd: float
    together: int
    source: str
    as_of: str


class _Row(msgspec.Struct, frozen=True, array_like=True):
    gpu: str
    term: Term
    usd: float
    together: int


class _List(msgspec.Struct, frozen=True):
    cloud: str
    zone: str
    place: str
    source: str
    as_of: str
    offers: tuple[_Row, ...]


class _File(msgspec.Struct, frozen=True):
    list: tuple[_List, ...] = ()


@cache
def catalogue() -> tuple[Offer, ...]:
    """The lists that this release came with."""
    text = files("freehold.market").joinpath(FILE_NAME).read_text("utf-8")
    return _offers(msgspec.convert(tomllib.loads(text), _File), FILE_NAME)


def offers(own: Path | None = None) -> tuple[Offer, ...]:
    """The catalogue, with a user's own lists in place of those of the same clouds.

    Raises:
        ConfigurationError: the user's file is not of the catalogue's form.
    """
    return merged(catalogue(), read(own) if own is not None and own.is_file() else ())


def read(path: Path) -> tuple[Offer, ...]:
    """The lists of a file of the catalogue's form.

    Raises:
        ConfigurationError: it is not of that form; the message names the file and the place.
    """
    try:
        return _offers(msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File), str(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(
            f"{path} is no list of GPU offers: {error}", hint="docs/economics.md shows its form"
        ) from error


def written(offers_: Sequence[Offer]) -> str:
    """Offers as a file of the catalogue's form."""
    by_list: dict[tuple[str, ...], list[Offer]] = {}
    for one in offers_:
        by_list.setdefault((one.cloud, one.zone, one.place, one.source, one.as_of), []).append(one)
    parts: list[str] = []
    for key, found in by_list.items():
        head = [
            f"{name} = {json.dumps(v)}"
            for name, v in zip(("cloud", "zone", "place", "source", "as_of"), key, strict=True)
        ]
        rows = [f'  [{json.dumps(o.gpu)}, "{o.term}", {o.usd!r}, {o.together}],' for o in found]
        parts.append("\n".join(["[[list]]", *head, "offers = [", *rows, "]", ""]))
    return "\n".join(parts)


def from_skypilot(path: Path, cloud: str, as_of: str) -> tuple[tuple[Offer, ...], tuple[str, ...]]:
    """The offers of a SkyPilot catalogue file (`vms.csv`) of one cloud, and the names of GPUs that nobody knows here.

    Read are AcceleratorName, AcceleratorCount, Price, SpotPrice and Region; the cheapest instance of each GPU, count
    and region counts. Rows without a GPU or without a price are left out.

    Raises:
        UsageError: the file is no CSV, or has no such columns.
    """
    try:
        return _from_skypilot(path, cloud, as_of)
    except (UnicodeDecodeError, csv.Error):
        raise UsageError(f"{path} is no CSV that can be read", hint="a vms.csv of SkyPilot's catalogue") from None


def _from_skypilot(path: Path, cloud: str, as_of: str) -> tuple[tuple[Offer, ...], tuple[str, ...]]:
    best: dict[tuple[str, str, str, int], Offer] = {}
    unknown: dict[str, None] = {}
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        missing = {"AcceleratorName", "AcceleratorCount", "Price", "Region"} - set(reader.fieldnames or ())
        if missing:
            raise UsageError(
                f"{path} has no column {', '.join(sorted(missing))}", hint="a vms.csv of SkyPilot's catalogue"
            )
        for row in reader:
            count = _number(row["AcceleratorCount"])
            if not row["AcceleratorName"] or count < 1:
                continue
            gpu = known(row["AcceleratorName"])
            if gpu is None:
                unknown[row["AcceleratorName"]] = None
                continue
            prices: dict[Term, str] = {"on_demand": row["Price"], "spot": row.get("SpotPrice", "")}
            for term, price in prices.items():
                usd = _number(price) / count
                key = (gpu.name, row["Region"], term, int(count))
                if usd > 0 and (key not in best or usd < best[key].usd):
                    place, source = row["Region"], f"SkyPilot catalogue, {path.name}"
                    best[key] = Offer(
                        gpu.name, cloud, zone_of(place), place, term, round(usd, 6), int(count), source, as_of
                    )
    return tuple(best.values()), tuple(unknown)


def zone_of(place: str) -> str:
    """Which zone a cloud's name of a region lies in: eu, us, ca, in; `global` where the name does not say."""
    name = place.strip().lower()
    return next((zone for zone, pattern in _PLACES if re.fullmatch(pattern, name)), "global")


def _number(text: str | None) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0


def _offers(file: _File, where: str) -> tuple[Offer, ...]:
    return tuple(_checked(found, row, where) for found in file.list for row in found.offers)


def _checked(found: _List, row: _Row, where: str) -> Offer:
    gpu = known(row.gpu)
    if gpu is None or found.zone not in ZONES or not 0 < row.usd < math.inf or row.together < 1:
        raise ConfigurationError(
            f"{where}: {found.cloud}, {row.gpu}: an unknown GPU or zone, or a price or number that is not above 0",
            hint=f"zones are {', '.join(ZONES)}",
        )
    return Offer(
        gpu.name, found.cloud, found.zone, found.place, row.term, row.usd, row.together, found.source, found.as_of
    )


def merged(known_: Iterable[Offer], new: Iterable[Offer]) -> tuple[Offer, ...]:
    """New offers in place of known ones of the same cloud."""
    added = tuple(new)
    clouds = {offer.cloud for offer in added}
    return (*(offer for offer in known_ if offer.cloud not in clouds), *added)
