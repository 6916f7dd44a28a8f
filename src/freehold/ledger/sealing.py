"""Sealing a whole ledger, with no more in memory than that needs.

It runs beside every gateway again and again, in a process of its own that loads this module and not `Ledger`.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NoReturn

import msgspec

from freehold.settings import LedgerSettings

from ._exclusive import alone
from ._layout import ORPHAN_AFTER_S, REMOVE_AFTER_S, Layout
from ._manifest import HotEntry, Manifest
from ._recovery import recover
from ._rollup_files import RollupFiles
from ._seal import Sealer
from ._sqlite import Vanished


class Sealed(msgspec.Struct, frozen=True):
    """What `seal` did: segments written, calls newly sealed, files swept, and answered calls found to be lost."""

    segments: int = 0
    calls: int = 0
    swept: int = 0
    lost: int = 0


def seal(
    home: Path,
    settings: LedgerSettings | None = None,
    *,
    remove_after_s: float = REMOVE_AFTER_S,
    orphans_after_s: float = ORPHAN_AFTER_S,
) -> Sealed:
    """Turn closed hot files into Parquet segments and sweep what is no longer used.

    May be killed anywhere and run by several processes at once. Files of living writers are left alone.
    `remove_after_s` must be longer than the longest read. `settings` as for `Ledger`.

    Raises:
        LedgerUnavailable: the ledger cannot be read or written whole.
    """
    layout = Layout.of(home, settings)
    if not layout.root.exists():
        return Sealed()
    try:
        with alone(layout):
            return _seal(layout, remove_after_s, orphans_after_s)
    except (sqlite3.Error, OSError, Vanished) as error:
        raise layout.unwritable(error) from error


def _seal(layout: Layout, remove_after_s: float, orphans_after_s: float) -> Sealed:
    manifest = Manifest(layout)
    manifest.create()
    lost = recover(layout, manifest)
    sealer = Sealer(layout, manifest)
    segments = calls = 0
    for group in sealer.plan():
        written = sealer.write(group)
        sealer.install(written)
        if sealer.publish(written):
            segments += 1
            calls += sum(entry.rows for entry in group if isinstance(entry, HotEntry))
    swept = sealer.sweep(after_s=remove_after_s, orphans_after_s=orphans_after_s)
    RollupFiles(layout, _made_elsewhere, _made_elsewhere).sweep(manifest.known_files())
    return Sealed(segments, calls, swept, lost)


def _made_elsewhere(*_: object) -> NoReturn:
    """Rollups are made by a query engine, which sealing does without."""
    raise AssertionError
