"""Until when the branches of Python and OpenSSL get fixes: what is coming before any advisory says so."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date
from functools import cache
from importlib.resources import files

import msgspec

from .parts import Part

SOON_DAYS = 365
"""An end is worth planning for from so many days ahead."""


class Ending(msgspec.Struct, frozen=True):
    """A branch that gets no more fixes from `ends` on; `days_left` is negative where that is past."""

    part: str
    version: str
    branch: str
    ends: date
    days_left: int
    within: tuple[str, ...]
    source: str
    as_of: date

    def in_words(self) -> str:
        """The sentence for a person."""
        carried = f" in {', '.join(self.within)}" if self.within else ""
        when = f"gets no more fixes since {self.ends}" if self.days_left < 0 else f"gets fixes until {self.ends}"
        left = "" if self.days_left < 0 else f" ({self.days_left} days)"
        return f"{self.part} {self.version}{carried}: {self.branch} {when}{left} ({self.source}, as of {self.as_of})"


class _Support(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    source: str
    as_of: date
    ends: dict[str, date]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    support: tuple[_Support, ...]


def endings(parts: Iterable[Part], today: date) -> list[Ending]:
    """The branches in use whose end is known and past or near, the first to end first."""
    found: list[Ending] = []
    for part in parts:
        if part.ecosystem != "Bitnami":
            continue
        for one in _catalogue():
            branch = next((b for b in one.ends if one.name == part.name and _is_of(part.version, b)), "")
            if branch and (one.ends[branch] - today).days <= SOON_DAYS:
                ends = one.ends[branch]
                left = (ends - today).days
                found.append(Ending(part.name, part.version, branch, ends, left, part.within, one.source, one.as_of))
    return sorted(found, key=lambda one: one.ends)


def _is_of(version: str, branch: str) -> bool:
    """Whether a version belongs to a branch: `3.0.7` to 3.0, and `1.1.1w` to 1.1.1."""
    return version.startswith(branch) and not version[len(branch) :][:1].isdigit()


@cache
def _catalogue() -> tuple[_Support, ...]:
    text = files("freehold.supply").joinpath("support.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _File).support
