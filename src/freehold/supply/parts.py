"""A part of an installation: what it is called, where advisories would speak of it, and what carries it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal
from urllib.parse import quote, unquote

import msgspec

PartKind = Literal["distribution", "runtime", "embedded"]
"""`distribution`: an installed package. `runtime`: Python and what it is linked with. `embedded`: a library inside a
distribution, as that one's own bill of materials says.
"""

REPOSITORIES: Final = {
    "python": "github.com/python/cpython",
    "openssl": "github.com/openssl/openssl",
    "sqlite": "github.com/sqlite/sqlite",
}
"""Where advisories without a package look for these: the sources they are built from, by the name of the part."""

_ECOSYSTEMS: Final = {"pypi": "PyPI", "cargo": "crates.io", "npm": "npm", "golang": "Go", "bitnami": "Bitnami"}
_PURL = re.compile(r"pkg:([a-z.+-]+)/(?:(.+)/)?([^/@?#]+)@([^?#]+)")


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """One part.

    `ecosystem` and `name` are OSV's; without an ecosystem there is none whose versions can be judged here. `through`:
    why it is installed ("base", "extra NAME", "beside" for what Freehold does not need). `within`: what carries it.
    `licence`: as it is stated; with `spdx`, an expression of that kind. `address`: its package URL where somebody
    stated one.
    """

    kind: PartKind
    name: str
    version: str
    ecosystem: str = ""
    through: str = ""
    within: tuple[str, ...] = ()
    licence: str = ""
    spdx: bool = False
    needs: tuple[str, ...] = ()
    address: str = ""

    @property
    def purl(self) -> str:
        """Its package URL (https://github.com/package-url/purl-spec): as it was given, else as its names make it."""
        if self.address:
            return self.address
        kind = next((kind for kind, ecosystem in _ECOSYSTEMS.items() if ecosystem == self.ecosystem), "generic")
        kind = "generic" if kind == "bitnami" else kind
        name = "/".join(quote(piece, safe="") for piece in self.name.split("/"))
        return f"pkg:{kind}/{name}@{quote(self.version, safe='')}"

    @property
    def repository(self) -> str:
        """The sources that it is built from, where advisories may speak of those alone; else ""."""
        return REPOSITORIES.get(self.name, "") if self.ecosystem == "Bitnami" else ""


def normalised(name: str) -> str:
    """A distribution's name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def from_purl(text: str, within: str) -> Part | None:
    """An embedded part by its package URL; None where that cannot be read."""
    found = _PURL.match(text)
    if found is None:
        return None
    kind, space, name, version = (unquote(one or "") for one in found.groups())
    if kind == "generic" and name.lower() in REPOSITORIES:
        return Part("embedded", name.lower(), version, "Bitnami", within=(within,))
    if kind == "pypi":
        name = normalised(name)
    full = f"{space}/{name}" if space else name
    return Part("embedded", full, version, _ECOSYSTEMS.get(kind, ""), within=(within,), address=found.group(0))


def merged(parts: Iterable[Part]) -> list[Part]:
    """Embedded parts with those of the same name and version as one, carried by several."""
    found: dict[tuple[str, str, str], Part] = {}
    for part in parts:
        key = (part.ecosystem, part.name, part.version)
        known = found.get(key)
        within = tuple(sorted({*known.within, *part.within})) if known else part.within
        found[key] = msgspec.structs.replace(part, within=within)
    return [found[key] for key in sorted(found)]
