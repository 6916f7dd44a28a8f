"""Sealing: closed hot files become zstd Parquet segments, and small segments larger ones, through the manifest.

Five steps, each of which may be the last one before a kill:

    plan      which closed hot files, or which small segments, go into one segment
    write     segments/NAME.parquet.part, synced, its rows counted against the manifest
    install   put into its place (renamed to segments/NAME.parquet and synced, or uploaded); nobody reads it yet
    publish   one transaction: the segment is listed, its sources are no longer
    sweep     sources are removed, later than the longest read; files nobody ever listed are removed when old

Before `publish` the sources count, afterwards the segment does. What a killed sealer left is swept by the next.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from freehold.errors import LedgerUnavailable

from ._compact import merges
from ._keys import data_key, new_key
from ._layout import ORPHAN_AFTER_S, REMOVE_AFTER_S, ROTATE_BYTES, Layout, now_us
from ._manifest import HotEntry, Listing, Manifest, Noting, SegmentEntry
from ._parquet import read_dictionary, read_rows, write_rows
from ._places import HERE, place_at, place_for_new
from ._rows import Row
from ._snapshot import Filter, Snapshot

_TARGET_ROWS = 50_000
_UNPACKED = 8  # bytes of calls in a byte of a segment, nearly
_BESIDE = ("", "-wal", "-shm")

Entry = HotEntry | SegmentEntry


Edit = Callable[[Row], Row | None]
"""What becomes of a row on its way into a new segment: itself, another with the same id and time, or nothing."""


class Written(NamedTuple):
    """A segment that stands on this machine and is not listed yet; `entry` is None where no row was left for one."""

    entry: SegmentEntry | None
    sources: tuple[str, ...]


class Sealer:
    """Seals the closed hot files of one ledger, step by step. Several may run at once: the first to publish wins."""

    def __init__(self, layout: Layout, manifest: Manifest) -> None:
        self._layout = layout
        self._manifest = manifest

    def plan(self) -> list[tuple[Entry, ...]]:
        """Files grouped so that each group makes one segment: closed hot ones, and segments that are too small."""
        listing = self._manifest.listing()
        groups = _grouped([entry for entry in listing.hot if entry.closed], ROTATE_BYTES)
        return [*groups, *merges(listing.segments, now_us())]

    def write(self, group: Sequence[Entry], edit: Edit | None = None) -> Written:
        """Write a segment beside the others, under a name that nobody reads; `edit` may change or leave out rows.

        Raises:
            LedgerUnavailable: its rows are not those of its sources, or a source is damaged.
            Vanished, sqlite3.Error, OSError: a source cannot be read or the segment cannot be written.
        """
        first = min(e.first_us for e in group if e.rows or not any(one.rows for one in group))
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(max(first, 0) // 1_000_000))
        name = f"{stamp}-{os.urandom(6).hex()}.parquet"
        place = place_for_new(self._layout)
        part = place.part(name)
        expected = sum(entry.rows for entry in group)
        hot = tuple(entry for entry in group if isinstance(entry, HotEntry))
        segments = tuple(entry for entry in group if isinstance(entry, SegmentEntry))
        with _Sources(self._layout, Listing(hot, segments)) as sources:
            n_bytes = sum(e.size if isinstance(e, HotEntry) else e.size * _UNPACKED for e in group)
            taken = _Taken(sources.rows(Filter()), edit)
            wrapped, key = new_key(self._layout)
            rows = iter(taken)
            if key is not None:
                from . import _squeeze

                rows = _squeeze.hidden_rows(rows, key)
            counted = write_rows(part, rows, expected, n_bytes, dictionary=key is not None)
        if taken.read != expected or counted != taken.kept:
            part.unlink(missing_ok=True)
            raise LedgerUnavailable(
                f"sealing found {taken.read} rows where the manifest says {expected}", hint="run freehold doctor"
            )
        sources = tuple(e.name for e in group)
        if edit is not None and not taken.kept:
            part.unlink()
            return Written(None, sources)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        size = part.stat().st_size
        entry = SegmentEntry(name, taken.kept, taken.first_us, taken.last_us, size, place.address, wrapped)
        return Written(entry, sources)

    def install(self, written: Written) -> None:
        """Put the segment into its place, under its name."""
        if written.entry is None:
            return
        place = place_at(self._layout, written.entry.place)
        place.claim(self._manifest.ledger() if written.entry.place else "")
        place.put(written.entry.name)

    def publish(self, written: Written, also: Noting | None = None) -> bool:
        """List the segment instead of its sources; False, and the segment is removed, where another was first.

        `also` notes something in the same transaction.
        """
        if self._manifest.sealed(written.entry, written.sources, also):
            return True
        if written.entry is not None:
            place_at(self._layout, written.entry.place).delete(written.entry.name)
        return False

    def sweep(
        self, *, after_s: float = REMOVE_AFTER_S, orphans_after_s: float = ORPHAN_AFTER_S, imports: bool = True
    ) -> int:
        """Remove files that were replaced long enough ago, and old files that nobody listed; returns how many.

        Without `imports`, unlisted hot files stay whatever their age: a running import may be about to list them.
        """
        replaced = self._manifest.removable(after_s)
        for name, place in replaced:
            if place is not None:
                place_at(self._layout, place).delete(name)
            else:
                for suffix in _BESIDE:
                    (self._layout.hot / f"{name}{suffix}").unlink(missing_ok=True)
        self._manifest.removed([name for name, _ in replaced])
        return len(replaced) + self._sweep_orphans(orphans_after_s, self._layout.hot.iterdir() if imports else ())

    def _sweep_orphans(self, after_s: float, hot: Iterable[Path]) -> int:
        places = [place_at(self._layout, address) for address in sorted(self._manifest.places() | {HERE})]
        # Listed before asking what is known: what is published meanwhile is known, and what is put later is not listed.
        found = [(place, one) for place in places for one in place.leftovers()]
        known, oldest, swept = self._manifest.known_files(), time.time() - after_s, 0
        for path in hot:
            name = path.name.removesuffix("-wal").removesuffix("-shm")
            if name not in known and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
                swept += 1
        for place, one in found:
            if one.name not in known and one.changed_s < oldest:
                place.delete(one.name)
                swept += 1
        return swept


class _Sources(Snapshot):
    """What a segment is made of, read without a query engine."""

    def __init__(self, layout: Layout, listing: Listing) -> None:
        super().__init__(layout, listing, _no_engine)

    def _checked(self, entry: HotEntry) -> sqlite3.Connection:
        db = super()._checked(entry)
        db.execute("PRAGMA cache_size=-256")  # KiB: rows are read once, so that more would be kept for nothing
        return db

    def _segment_rows(self, segment: SegmentEntry, wanted: Filter, after: tuple[int, str] | None) -> Iterator[Row]:
        del wanted, after  # a segment is merged whole
        try:
            path = self._present(segment)
            key = data_key(self.layout, segment.key)
            if key is None:
                yield from read_rows(path)
                return
            from . import _squeeze

            unpack = _squeeze.unpacker(_squeeze.shown(read_dictionary(path), key))
            for row in read_rows(path):
                yield key.show(row, unpack)
        except LedgerUnavailable:
            self._forget([segment])
            raise


def _no_engine() -> NoReturn:
    raise AssertionError


class _Taken:
    """Rows on their way, edited and counted."""

    def __init__(self, rows: Iterable[Row], edit: Edit | None) -> None:
        self._rows = rows
        self._edit = edit
        self.read = self.kept = 0
        self.first_us = self.last_us = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.read += 1
            left = row if self._edit is None else self._edit(row)
            if left is not None:
                self.first_us = self.first_us if self.kept else left[0]
                self.last_us = left[0]
                self.kept += 1
                yield left


def _grouped(entries: Iterable[Entry], most_bytes: int) -> list[tuple[Entry, ...]]:
    groups: list[list[Entry]] = []
    rows = size = 0
    for entry in entries:
        if not groups or rows + entry.rows > _TARGET_ROWS or size + entry.size > most_bytes:
            groups.append([])
            rows = size = 0
        groups[-1].append(entry)
        rows, size = rows + entry.rows, size + entry.size
    return [tuple(group) for group in groups]
