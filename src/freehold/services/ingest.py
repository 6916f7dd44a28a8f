"""Bringing existing logs into the ledger."""

from __future__ import annotations

from pathlib import Path

from freehold.errors import NotFound
from freehold.ledger.importing import ImportReport, import_file

from .home import Home


def import_log(home: Home, log: Path) -> ImportReport:
    """Import a log; importing twice adds nothing, bad lines are counted and the rest comes in.

    Raises:
        NotFound: there is no such file.
        BadLog: it is no log in any known format.
    """
    if not log.is_file():
        raise NotFound(f"there is no file {log}", hint="freehold import --help")
    return import_file(home.ledger, log)
