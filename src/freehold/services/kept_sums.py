"""What a pass over a task's calls gave, kept between commands in `sums/` of the home: safe to delete, never stale.

Each file names what it depends on by a digest: the calls as they are (`Ledger.state`), the tasks, prices, and this
release. Where any of that is different, it is not used. It holds counts, tokens, sums and lengths, names of models and
ids of prompt versions; no text of any call, and nobody's name.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import msgspec

from freehold import __version__
from freehold.economics.workload import Workload
from freehold.market.tokens import catalogue_version
from freehold.vocabulary import Task

from .home import Home
from .rivals import RivalsSeen

FOLDER = "sums"
_MADE_AS = 2
"""Raise it whenever what is kept would come out otherwise from the same calls."""


class Sums(msgspec.Struct, frozen=True):
    """What all calls of a task come to: its workload without weight or factors, gold labels, other models."""

    workload: Workload
    golds: int
    rivals: RivalsSeen


class _File(msgspec.Struct, frozen=True):
    key: str
    sums: Sums


def key(home: Home) -> str:
    """Everything that sums depend on. Made before the calls are read: calls that come meanwhile make another one."""
    prices = home.settings.prices
    urls = {name: provider.address for name, provider in home.settings.providers.items()}
    parts = (
        _MADE_AS,
        __version__,
        home.ledger.state(),
        home.registry.tasks(),
        sorted(home.registry.known_as().items()),
        [(task.id, contract.form) for task in home.registry.tasks() if (contract := home.registry.contract(task.id))],
        prices,
        urls,
        catalogue_version(),
    )
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


def recall(home: Home, task: Task, key: str) -> Sums | None:
    """What is kept of a task under this key; None where nothing is, or it cannot be read."""
    if home.until_us is not None:
        return None
    with contextlib.suppress(OSError, msgspec.DecodeError):
        found = msgspec.msgpack.decode(_path(home, task).read_bytes(), type=_File)
        return found.sums if found.key == key else None
    return None


def keep(home: Home, task: Task, key: str, sums: Sums) -> None:
    """Keep it, in the place of what was kept before; a home that cannot be written keeps nothing."""
    if home.until_us is not None:
        return
    with contextlib.suppress(OSError):
        path = _path(home, task)
        path.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.msgpack.encode(_File(key, sums)))
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)


def forget(home: Home) -> None:
    """Remove all that is kept."""
    shutil.rmtree(home.path / FOLDER, ignore_errors=True)


def _path(home: Home, task: Task) -> Path:
    return home.path / FOLDER / f"{hashlib.sha256(task.id.encode()).hexdigest()[:32]}.msgpack"
