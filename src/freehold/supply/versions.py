"""Which of two versions comes first, as far as that is known: PEP 440 and Semantic Versioning 2.0.

Every ecosystem orders versions its own way. Where the way of one is not written here the answer is "unknown", never a
guess: a wrong order would call something well that is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from packaging.version import InvalidVersion, Version

Key = Any
"""Something that can be compared with its like."""
Order = Callable[[str], Key]
"""Makes a key of a version; raises ValueError where it cannot be read."""

_SEMVER = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?\Z")
_SEMANTIC = frozenset({"crates.io", "npm", "Go", "Hex"})
_PYTHONIC = frozenset({"PyPI", "Bitnami"})
"""Bitnami's versions are semantic ones, and PEP 440 orders these alike; it also reads `3.15.0rc1`."""


def order_of(ecosystem: str, kind: str) -> Order | None:
    """How the versions of a range of this type (`SEMVER` or `ECOSYSTEM`) are ordered there; None where unknown."""
    if ecosystem in _PYTHONIC:
        return pythonic
    if kind == "SEMVER" or ecosystem in _SEMANTIC:
        return semantic
    return None


def pythonic(text: str) -> Key:
    """A version by PEP 440.

    Raises:
        ValueError: it is none.
    """
    try:
        return Version(text)
    except InvalidVersion:
        raise ValueError(text) from None


def semantic(text: str) -> Key:
    """A version by Semantic Versioning 2.0, section 11; a missing minor or patch counts as 0.

    Raises:
        ValueError: it is none.
    """
    found = _SEMVER.match(text.strip().removeprefix("v"))
    if found is None:
        raise ValueError(text)
    numbers = tuple(int(part or 0) for part in found.groups()[:3])
    before = found.group(4)
    if before is None:
        return (*numbers, 1, ())
    return (*numbers, 0, tuple((0, int(one), "") if one.isdigit() else (1, 0, one) for one in before.split(".")))


def public(ecosystem: str, version: str, beside: Iterable[str]) -> str:
    """A version as it is compared with others: without its local part, unless one of them has one, too.

    PEP 440 has `2.0+cpu` after `2.0`. It is a build of that all the same, and what is known of that is known of it.
    """
    if ecosystem in _PYTHONIC and not any("+" in one for one in beside):
        return version.partition("+")[0]
    return version


def same(ecosystem: str, one: str, other: str) -> bool:
    """Whether two versions are the same there; letter by letter where their order is not known."""
    if one == other:
        return True
    order = order_of(ecosystem, "ECOSYSTEM")
    if order is None:
        return False
    try:
        return bool(order(one) == order(other))
    except ValueError:
        return False


def of_tag(tag: str) -> str:
    """The version that a tag of a source repository names: `v3.11.2`, `openssl-3.0.7`, `version-3.40.1`, `OpenSSL_1_1`.

    "" where it names none.
    """
    found = re.search(r"(?:^|[^0-9])(\d+(?:[._]\d+)+(?:[a-z]+\d*)?)\Z", tag)
    return found.group(1).replace("_", ".") if found else ""
