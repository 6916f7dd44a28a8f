"""`routes.json`: what the gateway routes by, replaced by rename and read without a database.

Readers see the old table or the new one, never half of either. Writers take turns through a lock beside the file, and
every table they leave has a higher version than the one before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from freehold.vocabulary import RouteTable

from . import _published
from ._published import locked

__all__ = ["FILE_NAME", "load", "locked", "path", "write"]

FILE_NAME: Final = "routes.json"

_decoder = msgspec.json.Decoder(RouteTable)


def path(home: Path) -> Path:
    """Where the route table of `home` lies."""
    return home / FILE_NAME


def load(file: Path) -> RouteTable:
    """Read a route table; an empty one of version 0 where nothing was published yet.

    Raises:
        MissingPrerequisite: the file cannot be read as a route table. A reader that holds an earlier table keeps it.
    """
    return _published.load(file, _decoder, empty=RouteTable(0), what="a route table", code="routes_unreadable")


def write(file: Path, table: RouteTable) -> None:
    """Replace the route table by rename. The caller holds `locked(file)` and has raised `version`.

    Raises:
        OSError: the disk refuses; the earlier table stays.
    """
    _published.replace(file, table, mode=0o644)
