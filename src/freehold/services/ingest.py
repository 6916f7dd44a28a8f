"""Bringing existing logs into the ledger."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from freehold.ledger import importing
from freehold.ledger.importing import Imported, ImportReport, import_file
from freehold.ledger.importing.foreign.litellm_database import is_address

from .home import Home, Progress, silent


def import_log(home: Home, log: Path) -> ImportReport:
    """Import one log, as `import_logs` does."""
    return import_file(home.ledger, log)


def import_logs(
    home: Home,
    paths: Sequence[Path | str],
    *,
    format_name: str = "",
    dry_run: bool = False,
    progress: Progress = silent,
) -> Imported:
    """Import logs, files or folders; importing twice adds nothing, bad records are counted and the rest comes in.

    A text that is the address of a Postgres database brings the tables of LiteLLM's in it; any other is a path. With
    `dry_run` nothing is written, and the report says what would be.

    Raises:
        NotFound: there is no such file or folder.
        UsageError: there is no such format.
        BadLog: a file is no log in any known format, or could be in several.
        MissingPrerequisite: a log needs an extra to be read, or its database cannot be reached.
        LedgerUnavailable: the ledger cannot be written.
    """
    began = time.monotonic()

    def told(log: str, read: int, done: int, total: int) -> None:
        seconds = max(time.monotonic() - began, 1e-3)
        part = (
            f", {100 * done / total:.0f} % of {total / 1e6:,.0f} MB, {done / 1e6 / seconds:.0f} MB/s" if total else ""
        )
        progress(f"reading {log}: {read:,} records{part}")

    logs = [one if isinstance(one, Path) or is_address(one) else Path(one) for one in paths]
    return importing.import_logs(home.ledger, logs, format_name=format_name, dry_run=dry_run, progress=told)
