"""The providers' own lists of models: fetched on request, kept in the home, and compared with what they were."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from freehold.errors import FreeholdError
from freehold.gateway import model_lists
from freehold.market.retirements import Notice

from .home import Home

FILE_NAME = "model_lists.json"


class ListedModel(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model of a provider's list. Days in ISO 8601; `shutdown` is "" where the provider states none."""

    first_seen: str
    last_seen: str
    shutdown: str = ""
    replacement: str = ""


class ModelList(msgspec.Struct, frozen=True):
    """A provider's list: what it held when it was last fetched (`fetched_on`), and what it held before."""

    provider: str
    fetched_on: str
    models: dict[str, ListedModel]
    error: str = ""

    @property
    def present(self) -> int:
        """How many models the list held when it was last fetched."""
        return sum(one.last_seen == self.fetched_on for one in self.models.values())


class _Entry(msgspec.Struct):
    id: str
    shutdown_date: str | None = None
    deprecation: Any = None
    deprecation_replacement_model: str | None = None
    aliases: tuple[str, ...] = ()


class _Body(msgspec.Struct):
    data: tuple[_Entry, ...]


_decode = msgspec.json.Decoder(_Body).decode


def refresh(home: Home, *, today: date | None = None) -> list[ModelList]:
    """Ask every provider for its list and keep what it says; a list that cannot be had keeps what was known of it.

    Raises:
        ConfigurationError: a provider in the settings makes no sense.
    """
    day = (today or datetime.now(UTC).date()).isoformat()
    known = {one.provider: one for one in read(home.path)}
    for name, body in model_lists.fetch(home.settings, os.environ).items():
        before = known.get(name) or ModelList(name, "", {})
        if isinstance(body, FreeholdError):
            known[name] = msgspec.structs.replace(before, error=body.message)
            continue
        try:
            known[name] = merged(before, body, day)
        except msgspec.MsgspecError:
            known[name] = msgspec.structs.replace(before, error="the list could not be read")
    lists = list(known.values())
    file = home.path / FILE_NAME
    part = file.with_name(f".{FILE_NAME}.{os.getpid()}")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(lists)))
    part.replace(file)
    return lists


def read(home: Path) -> list[ModelList]:
    """The lists as they were last fetched; none where they never were."""
    with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return msgspec.json.decode((home / FILE_NAME).read_bytes(), type=list[ModelList])
    return []


def merged(before: ModelList, body: bytes, day: str) -> ModelList:
    """A provider's list after its answer `body` of a day.

    It reads the lists of OpenAI (`shutdown_date`), Mistral and Azure (`deprecation`), Anthropic, Google's and whoever
    else keeps to OpenAI's form.

    Raises:
        msgspec.MsgspecError: it is no list of models.
    """
    models = dict(before.models)
    for entry in _decode(body).data:
        shutdown = _day(entry.shutdown_date) or _day(entry.deprecation)
        for name in (entry.id, *entry.aliases):
            old = models.get(name)
            first = old.first_seen if old is not None else day
            models[name] = ListedModel(first, day, shutdown, entry.deprecation_replacement_model or "")
    return ModelList(before.provider, day, models)


def notices(lists: list[ModelList]) -> list[Notice]:
    """What the lists say of shutdown dates."""
    found: list[Notice] = []
    for one in lists:
        for name, model in one.models.items():
            if model.shutdown and model.last_seen == one.fetched_on:
                found.append(
                    Notice(
                        one.provider,
                        (name,),
                        f"list of models of {one.provider}",
                        as_of=date.fromisoformat(one.fetched_on),
                        shutdown=date.fromisoformat(model.shutdown),
                        replacement=model.replacement,
                        kind="list",
                    )
                )
    return found


def _day(stated: object) -> str:
    """A date as a provider writes it: ISO 8601, seconds since the epoch, or Azure's object of several."""
    if isinstance(stated, dict):
        return _day(stated.get("inference"))  # pyright: ignore[reportUnknownMemberType] - JSON of somebody else
    with contextlib.suppress(ValueError, OverflowError, OSError):
        if isinstance(stated, str) and stated:
            return datetime.fromisoformat(stated).date().isoformat()
        if isinstance(stated, int | float) and not isinstance(stated, bool):
            return datetime.fromtimestamp(stated, UTC).date().isoformat()
    return ""
