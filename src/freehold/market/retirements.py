"""When rented models are shut down: what providers have announced, dated and sourced, held against the models in use.

Several sources speak of a model: the user's own file, the provider's list of models as it was last fetched, `Sunset`
and `Deprecation` headers of its answers, and a catalogue compiled by hand. The first of them that states a date counts,
in that order: the catalogue is as old as this release, and dates move. Nothing here fetches anything.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

import msgspec

from freehold.errors import ConfigurationError
from freehold.vocabulary import Source

FILE_NAME = "retirements.toml"
"""The user's own facts, in the home, in the form of the catalogue."""
WATCH_DAYS = 90
"""A date before which a model will not be shut down is worth a look from so many days ahead of it."""

NoticeKind = Literal["own", "list", "header", "catalogue"]
"""Who says so, in the order in which they are believed."""

Status = Literal["gone", "retired", "overdue", "retiring", "vanished", "deprecated", "watch", "none"]
"""Worst first. `gone`: calls to it are refused as unknown. `retired`: its shutdown date has passed. `overdue`: so it
has, and it answered afterwards: the date was moved, or another model answers in its name. `retiring`: a shutdown date
is announced. `vanished`: its provider's list no longer holds it. `deprecated`: its provider advises against it and
states no date. `watch`: no date is announced, and from a near day on there may be one.
"""
STATUSES: tuple[Status, ...] = get_args(Status)

_TRUST: dict[str, int] = {kind: place for place, kind in enumerate(get_args(NoticeKind))}
_CHAIN = 5
_BEDROCK = re.compile(r"(?:[a-z]{2,6}\.)?[a-z0-9]+\.(.+?)(?:-v\d+(?::\d+)?)?")


class Notice(msgspec.Struct, frozen=True):
    """What one source says of some models of one provider.

    `provider` is a platform (`vendor_of`); for lists and headers, the user's own name of the provider that said it.
    `models` are whole names; in those of a file, * stands for anything. `shutdown` was announced; `not_before` is a
    date before which it will not happen, and no announcement. Neither: advised against, no date. `as_of`: the day on
    which the source said so.
    """

    provider: str
    models: tuple[str, ...]
    source: str
    as_of: date | None = None
    announced: date | None = None
    shutdown: date | None = None
    not_before: date | None = None
    replacement: str = ""
    kind: NoticeKind = "catalogue"


class Used(msgspec.Struct, frozen=True):
    """A model in use, and what was seen of it.

    `provider` is the user's name for it, `vendor` whose platform that is (`vendor_of`), "" where nobody knows.
    `answered_on`: the last day on which it answered. `refused_since`: from when on every call to it was answered with
    404 or 410. `vanished_on`: the day of its provider's list that no longer holds it, after an earlier one did.
    """

    provider: str
    vendor: str
    model: str
    answered_on: date | None = None
    refused_since: date | None = None
    vanished_on: date | None = None


class Risk(msgspec.Struct, frozen=True):
    """What is known of a model's end.

    `days_left` until the shutdown, or until `not_before` where nothing is announced; negative once it has passed.
    `replacement`: what its provider recommends, followed on where that is to be shut down too; "" where nobody says.
    `borrowed`: the dates are those of the model's maker, and this platform sets its own.
    """

    status: Status
    shutdown: date | None = None
    not_before: date | None = None
    announced: date | None = None
    days_left: int | None = None
    replacement: str = ""
    sources: tuple[Source, ...] = ()
    borrowed: bool = False


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    retirement: tuple[Notice, ...] = ()


def notices(home: Path | None = None) -> tuple[Notice, ...]:
    """The catalogue, and before it the user's own facts where the home holds a file of them.

    Raises:
        ConfigurationError: the user's file cannot be read.
    """
    own: tuple[Notice, ...] = ()
    file = home / FILE_NAME if home is not None else None
    if file is not None and file.exists():
        try:
            found = msgspec.convert(tomllib.loads(file.read_text("utf-8")), _File).retirement
        except (OSError, ValueError, msgspec.ValidationError) as error:
            raise ConfigurationError(
                f"{file} cannot be read as retirements: {error}", hint="docs/operations.md shows its form"
            ) from None
        own = tuple(msgspec.structs.replace(one, kind="own") for one in found)
    return (*own, *_catalogue())


@cache
def announced_end(provider: str, model: str) -> date | None:
    """The day on which a provider shuts a model down, by this release's catalogue alone; None where it states none.

    What another platform does with the model, it does not know.
    """
    found, borrowed = _speaking_of(Used(provider, vendor_of(provider), model), model, _catalogue())
    return None if borrowed else next((one.shutdown for one in found if one.shutdown is not None), None)


def vendor_of(provider: str, kind: str = "", base_url: str = "") -> str:
    """Whose platform a provider is: `openai`, `anthropic`, `google`, `mistral`, `azure`, `bedrock`, or "".

    By its kind; by its address for servers that merely speak OpenAI's dialect; by its name where there are no settings
    for it, as for imported calls.
    """
    host = re.sub(r"^\w+://([^/]*@)?", "", base_url).partition("/")[0].partition(":")[0].lower()
    for vendor, domain in _DOMAINS.items():
        if host and (host == domain or host.endswith(f".{domain}")):
            return vendor
    if kind in ("anthropic", "google", "mistral", "azure", "bedrock") or (kind == "openai" and not host):
        return kind
    if not kind and provider.lower() in {*_DOMAINS, "bedrock"}:
        return provider.lower()
    return ""


def assess(used: Used, known: Sequence[Notice], today: date) -> Risk:
    """What the notices and what was seen say of a model's end, as of a day."""
    found, borrowed = _speaking_of(used, used.model, known)
    dated = next((one for one in found if one.shutdown is not None), None)
    bounded = next((one for one in found if one.not_before is not None), None)
    shutdown = dated.shutdown if dated is not None else None
    not_before = bounded.not_before if bounded is not None and shutdown is None else None
    until = shutdown or not_before
    days_left = (until - today).days if until is not None else None
    chosen = dated or bounded or (found[0] if found else None)
    return Risk(
        status=_status(used, found, shutdown, not_before, today),
        shutdown=shutdown,
        not_before=not_before,
        announced=chosen.announced if chosen is not None else None,
        days_left=days_left,
        replacement=_replacement(used, found, known),
        sources=tuple(Source(one.source, one.as_of.isoformat() if one.as_of else "") for one in found),
        borrowed=borrowed,
    )


def _status(used: Used, found: Sequence[Notice], shutdown: date | None, not_before: date | None, today: date) -> Status:
    if used.refused_since is not None:
        return "gone"
    if shutdown is not None and shutdown > today:
        return "retiring"
    if shutdown is not None:
        return "overdue" if used.answered_on is not None and used.answered_on > shutdown else "retired"
    if used.vanished_on is not None:
        return "vanished"
    if any(one.shutdown is None and one.not_before is None for one in found):
        return "deprecated"
    return "watch" if not_before is not None and (not_before - today).days <= WATCH_DAYS else "none"


def _replacement(used: Used, found: Iterable[Notice], known: Sequence[Notice]) -> str:
    """The replacement that stays: where the recommended one is to be shut down too, the one recommended for that."""
    name = next((one.replacement for one in found if one.replacement), "")
    seen = {used.model.lower()}
    for _ in range(_CHAIN):
        if not name or name.lower() in seen:
            break
        seen.add(name.lower())
        further, _ = _speaking_of(used, name, known)
        following = next((one for one in further if one.shutdown is not None and one.replacement), None)
        if following is None:
            break
        name = following.replacement
    return name


def _speaking_of(used: Used, model: str, known: Sequence[Notice]) -> tuple[list[Notice], bool]:
    """What speaks of a model, most believed first; and whether it is the maker's word for another's platform."""
    names = _names(model)
    speaking = [
        one for one in known if any(_is(one, pattern.lower(), name) for pattern in one.models for name in names)
    ]
    own = [one for one in speaking if one.provider and one.provider == _who(used, one)]
    others = [one for one in speaking if one.kind in ("own", "catalogue")]
    chosen = own or ([] if used.vendor in _MAKERS else others)
    chosen.sort(key=lambda one: (_TRUST[one.kind], -(one.as_of.toordinal() if one.as_of else 0)))
    return chosen, bool(chosen) and not own


def _is(notice: Notice, pattern: str, name: str) -> bool:
    """Whether a notice means a model. Names in lists and headers come from others, and nothing in them is a pattern."""
    return name == pattern if notice.kind in ("list", "header") else fnmatchcase(name, pattern)


def _who(used: Used, notice: Notice) -> str:
    return used.provider if notice.kind in ("list", "header") else used.vendor


def _names(model: str) -> tuple[str, ...]:
    """The names that a model is spoken of by: as it is, without path or region, and a fine-tune by its base."""
    name = model.lower().rsplit("/", 1)[-1]
    if name.startswith("ft:"):
        name = name.split(":")[1]
    on_bedrock = _BEDROCK.fullmatch(name)
    return (name, on_bedrock.group(1)) if on_bedrock else (name,)


@cache
def _catalogue() -> tuple[Notice, ...]:
    text = files("freehold.market").joinpath(FILE_NAME).read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _File).retirement


_DOMAINS = {
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "google": "generativelanguage.googleapis.com",
    "mistral": "api.mistral.ai",
    "azure": "azure.com",
}
_MAKERS = frozenset({"openai", "anthropic", "google", "mistral"})
