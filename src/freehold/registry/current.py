"""Whether what is published is what publishing would write now, told without the database toolkit.

`Registry.publish` notes in `control.db` what it published from: the settings, its own code and the files that it left.
Where all of that is as it was and nothing waits to be published, publishing again changes nothing, and a gateway that
starts need not wait for it. Whatever cannot be told counts as not published.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

import freehold
from freehold.errors import FreeholdError
from freehold.settings import GatewaySettings, Loaded, Settings

from . import _spool, keys, routes
from ._files import CONTROL
from .names import declared_ordinary

REVISION: Final = "revision"
PUBLISHED: Final = "published_revision"
NOTE: Final = "published_from"
"""Names in the table `meta`."""
_WAIT_S: Final = 0.05
_CODE: Final = ("registry", "settings", "tasks", "vocabulary")
"""The packages that what is published follows from."""


def is_current(loaded: Loaded) -> bool:
    """Whether routes and keys lie published as the registry and these settings have them.

    Takes a millisecond or two. False also where that cannot be told: the database is locked, broken or of another
    version, or a file cannot be read. What a process decides meanwhile, that process publishes.
    """
    home = loaded.home
    try:
        if _spool.pending(home):
            return False
        if not (home / CONTROL).exists():
            return home.is_dir() and _nothing_there(loaded)  # where there is none, publishing says if none can be made
        noted = _noted(home / CONTROL)
        if not noted.get(NOTE) or noted.get(REVISION, "0") != noted.get(PUBLISHED, "0"):
            return False
        return noted[NOTE] == note(home, loaded.settings, declared_ordinary(loaded))
    except (OSError, sqlite3.Error, FreeholdError):
        return False


def note(home: Path, settings: Settings, ordinary: Collection[str]) -> str:
    """What stands for a publication: a digest of what it was made from and of the files that lie there now.

    Args:
        home: whose files.
        settings: what was declared.
        ordinary: the names declared ordinary in so many words.

    Raises:
        OSError: a file cannot be read.
    """
    # Escaped, since variables of the environment may hold what is no UTF-8.
    declared = json.dumps(msgspec.to_builtins((published_from(settings), sorted(ordinary)))).encode()
    return _digest([_code(), declared, routes.path(home).read_bytes(), _read(keys.path(home))])


def published_from(settings: Settings) -> Settings:
    """The part of the settings that a publication may follow from: the rest is as if it were not set."""
    return msgspec.structs.replace(settings, gateway=GatewaySettings())


def _nothing_there(loaded: Loaded) -> bool:
    """Whether this is a home in which nothing was ever decided: nothing declared, nothing published."""
    there = (routes.path(loaded.home), keys.path(loaded.home))
    return not loaded.settings.tasks and not any(file.exists() for file in there)


def _noted(file: Path) -> dict[str, str]:
    """What the database says of its last publication."""
    connection = sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=rw", uri=True, timeout=_WAIT_S)
    try:
        rows = connection.execute("SELECT name, value FROM meta WHERE name IN (?, ?, ?)", (REVISION, PUBLISHED, NOTE))
        return dict(rows.fetchall())
    finally:
        connection.close()


def _read(file: Path) -> bytes:
    """What a file holds; nothing where there is none: the keys are not written before there is one."""
    return file.read_bytes() if file.exists() else b""


@cache
def _code() -> bytes:
    """A digest of the code that publishes: another one may publish something else from the same rows.

    Taken as this is loaded: later, an upgrade may have put other files there than those that run.
    """
    root = Path(freehold.__file__).parent
    files = sorted(file for name in _CODE for file in (root / name).glob("*.py"))
    return _digest(file.read_bytes() for file in files).encode()


def _digest(parts: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()


_code()
