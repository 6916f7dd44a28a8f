"""Bringing existing logs into the ledger, and the ledger's calls out again."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import BinaryIO, cast

from freehold.errors import NotFound, UsageError
from freehold.ledger.exporting import export_calls
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


def export_log(home: Home, out: Path) -> int:
    """Write every recorded call to `out` in the format "calls", zipped where its name ends in .gz; returns how many.

    The file appears when it is whole.

    Raises:
        UsageError: there is something of that name already.
        LedgerUnavailable: the ledger cannot be read.
    """
    if out.exists():
        raise UsageError(f"{out} exists already, and is left as it is", hint="choose another name")
    part = out.with_name(f"{out.name}.part")
    try:
        with gzip.open(part, "wb") if out.suffix == ".gz" else part.open("wb") as file:
            written = export_calls(home.calls(), cast("BinaryIO", file), home.ledger.feedback)
        part.rename(out)
    finally:
        part.unlink(missing_ok=True)
    return written
