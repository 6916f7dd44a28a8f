"""What is installed: Freehold's own closure of distributions, what they carry inside, and Python with its libraries.

The closure follows what each distribution says that it needs, here and now: the environment's markers count, and an
extra counts where something that only it needs is installed. What compiled distributions hold inside is known where
they say so themselves (PEP 770: a bill of materials in their own metadata); those that say nothing are counted.
"""

from __future__ import annotations

import platform
import re
import sqlite3
import ssl
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import NamedTuple

import msgspec
from packaging.requirements import InvalidRequirement, Requirement

from freehold.errors import MissingPrerequisite

from .parts import Part, from_purl, merged, normalised

ROOT = "freehold"
_COMPILED = re.compile(r"\.(?:so|pyd|dylib|dll)(?:\.[0-9.]+)?(?:,|$)", re.MULTILINE)
_BOM = re.compile(r"^\"?([^,\"]+\.dist-info/sboms/[^,\"]+\.json)", re.MULTILINE)
_MOST_LICENCE = 64


class Inventory(msgspec.Struct, frozen=True):
    """What is installed.

    `missing`: distributions that are needed and not there, with who needs them. `opaque`: distributions with compiled
    files that do not say what is inside them.
    """

    parts: tuple[Part, ...]
    missing: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()


class Found(NamedTuple):
    """An installed distribution and why it is looked at."""

    distribution: metadata.Distribution
    through: str
    needs: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its normalised name."""
        return normalised(self.distribution.metadata["Name"])


class _Bom(msgspec.Struct):
    components: tuple[_BomPart, ...] = ()


class _BomPart(msgspec.Struct):
    purl: str = ""
    components: tuple[_BomPart, ...] = ()


_decode_bom = msgspec.json.Decoder(_Bom).decode


def look(*, everything: bool = False, root: str = ROOT) -> Inventory:
    """Make the inventory; with `everything`, of all that this Python would find.

    Raises:
        MissingPrerequisite: Freehold itself is not installed as a distribution, so that nobody can say what it needs.
    """
    found, missing = closure(root)
    if everything:
        found |= beside(found)
    parts, embedded, opaque = list(runtime()), list[Part](), list[str]()
    for one in sorted(found.values(), key=lambda one: one.name):
        parts.append(_part(one))
        record = one.distribution.read_text("RECORD") or ""
        inside = list(_embedded(one, record))
        embedded += inside
        if not inside and _COMPILED.search(record):
            opaque.append(one.name)
    return Inventory((*parts, *merged(embedded)), tuple(missing), tuple(opaque))


def closure(root: str = ROOT) -> tuple[dict[str, Found], list[str]]:
    """The distributions that `root` needs, itself included, by normalised name; and those that are missing.

    Raises:
        MissingPrerequisite: `root` is not installed.
    """
    start = _installed(root)
    if start is None:
        raise MissingPrerequisite(
            f"{root} is not installed as a distribution, so that nobody can say what it needs",
            hint="pip install freehold, or pip install -e . in its sources",
        )
    found: dict[str, Found] = {}
    missing: list[str] = []
    _follow(root, start, "base", ("",), found, missing)
    for extra in start.metadata.get_all("Provides-Extra") or []:
        here: list[str] = []
        for need in _needs(start, (extra,)):
            if normalised(need.name) in found:
                continue
            distribution = _installed(need.name)
            if distribution is not None:
                here.append(normalised(need.name))
                _follow(need.name, distribution, f"extra {extra}", tuple(need.extras), found, missing)
        own = found[normalised(root)]
        found[normalised(root)] = own._replace(needs=tuple(dict.fromkeys((*own.needs, *here))))
    return found, missing


def beside(found: Iterable[str]) -> dict[str, Found]:
    """Every other distribution that this Python would find."""
    known, others = set(found), dict[str, Found]()
    for distribution in metadata.distributions():
        name = normalised(distribution.metadata["Name"] or "")
        if name and name not in known and name not in others:
            needs = tuple(normalised(one.name) for one in _needs(distribution, ("",)))
            others[name] = Found(distribution, "beside", needs)
    here = known | others.keys()
    return {n: one._replace(needs=tuple(need for need in one.needs if need in here)) for n, one in others.items()}


def runtime() -> Iterator[Part]:
    """Python, and the two libraries under it that parse what comes from outside."""
    yield Part("runtime", "python", platform.python_version(), "Bitnami")
    yield Part("runtime", "sqlite", sqlite3.sqlite_version, "Bitnami", within=("python",))
    name, version = tls_library(ssl.OPENSSL_VERSION)
    yield Part("runtime", name, version, "Bitnami" if name == "openssl" else "", within=("python",))


def tls_library(said: str) -> tuple[str, str]:
    """Name and version of the library that does TLS, by its own words: OpenSSL, or one that stands in for it."""
    stands_in = re.search(r"\(compatible; ([^\s)]+) ?([^)]*)\)", said)
    words = stands_in.groups() if stands_in else (*said.split(), "")
    return words[0].lower(), words[1]


def _follow(
    name: str,
    distribution: metadata.Distribution,
    through: str,
    extras: tuple[str, ...],
    found: dict[str, Found],
    missing: list[str],
) -> None:
    """Add a distribution and all that it needs."""
    todo = [(normalised(name), distribution, extras)]
    while todo:
        name, distribution, extras = todo.pop()
        needs: list[str] = []
        for need in _needs(distribution, ("", *extras)):
            key = normalised(need.name)
            known = _installed(need.name)
            if known is None:
                missing.append(f"{key} ({name} needs it)")
                continue
            needs.append(key)
            if key not in found or (need.extras and not {*found[key].needs}.issuperset(_names(known, need.extras))):
                todo.append((key, known, tuple(need.extras)))
                found.setdefault(key, Found(known, through, ()))
        before = found.get(name)
        all_needs = tuple(dict.fromkeys((*(before.needs if before else ()), *needs)))
        found[name] = Found(distribution, before.through if before else through, all_needs)


def _names(distribution: metadata.Distribution, extras: Iterable[str]) -> set[str]:
    """What some extras of a distribution need and is installed."""
    return {normalised(one.name) for one in _needs(distribution, extras) if _installed(one.name) is not None}


def _needs(distribution: metadata.Distribution, extras: Iterable[str]) -> Iterator[Requirement]:
    """What a distribution needs here, for itself ("") and for some of its extras."""
    wanted = tuple(extras) or ("",)
    for text in distribution.requires or []:
        try:
            need = Requirement(text)
        except InvalidRequirement:
            continue
        if need.marker is None:
            if "" in wanted:
                yield need
        elif any(need.marker.evaluate({"extra": extra}) and _for(need, extra) for extra in wanted):
            yield need


def _for(need: Requirement, extra: str) -> bool:
    """Whether a need is that of an extra: one without an extra in its marker is the distribution's own."""
    return not extra or "extra" in str(need.marker)


def _installed(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None


def _part(one: Found) -> Part:
    said = one.distribution.metadata.json
    licence = str(said.get("license_expression") or "")
    spdx = bool(licence)
    if not licence:
        stated = str(said.get("license") or "").strip()
        licence = stated if stated and len(stated) <= _MOST_LICENCE and "\n" not in stated else ""
    version = one.distribution.version
    return Part("distribution", one.name, version, "PyPI", one.through, licence=licence, spdx=spdx, needs=one.needs)


def _embedded(one: Found, record: str) -> Iterator[Part]:
    """What a distribution's own bills of materials list."""
    for found in _BOM.finditer(record):
        text = one.distribution.read_text(f"sboms/{found.group(1).rsplit('/', 1)[1]}")
        try:
            bom = _decode_bom(text or "{}")
        except msgspec.MsgspecError:
            continue
        todo = list(bom.components)
        while todo:
            listed = todo.pop()
            todo += listed.components
            part = from_purl(listed.purl, one.name) if listed.purl else None
            if part is not None and (part.ecosystem, part.name) != ("PyPI", one.name):
                yield part
