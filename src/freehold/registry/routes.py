"""`routes.json`: what the gateway routes by, replaced by rename and read without a database.

Readers see the old table or the new one, never half of either. Writers take turns through a lock beside the file, and
every table they leave has a higher version than the one before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from freehold.errors import MissingPrerequisite
from freehold.vocabulary import RouteTable

from ._published import locked, replace

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
    try:
        return _decoder.decode(file.read_bytes())
    except FileNotFoundError:
        return RouteTable(0)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MissingPrerequisite(
            f"{file} cannot be read as a route table ({type(error).__name__})",
            hint="freehold doctor",
            code="routes_unreadable",
        ) from None


def write(file: Path, table: RouteTable) -> None:
    """Replace the route table by rename. The caller holds `locked(file)` and has raised `version`.

    Raises:
        OSError: the disk refuses; the earlier table stays.
    """
    replace(file, table, mode=0o644)
