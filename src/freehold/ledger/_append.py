"""Adding many calls at once, each of them once.

Calls are staged in a hot file that is not listed; under the manifest's lock those that the ledger already holds are
taken out, and the file is listed as closed. A kill before that leaves nothing visible, so an import is simply run
again.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from freehold.vocabulary import Call

from ._hot import HotTotals, count
from ._keys import new_key
from ._layout import ROTATE_BYTES, Layout, now_us
from ._manifest import Listing, Manifest, SegmentEntry
from ._rows import HOT_SCHEMA, body_rows, call_rows, insert, size_of
from ._snapshot import Snapshot
from ._sqlite import sync_folder, uri

if TYPE_CHECKING:
    import duckdb

_STAGE_ROWS = 50_000
_CROWDED_ROWS = 1_000_000
_BATCH_CALLS = 500
_BATCH_BYTES = 8 * 1024 * 1024


class Appended(msgspec.Struct, frozen=True):
    """What `append` did: calls added, and calls whose id the ledger already held."""

    added: int = 0
    duplicates: int = 0

    def __add__(self, other: Appended) -> Appended:
        return Appended(self.added + other.added, self.duplicates + other.duplicates)


class _Stage:
    """An unlisted hot file. It needs no journal: until it is listed and synced nobody misses it."""

    def __init__(self, layout: Layout) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        self.path = layout.hot / f"{stamp}-import-{secrets.token_hex(6)}.db"
        self.wrapped_key, self._key = new_key(layout)
        self.offered = 0
        self.size = 0
        self.db = sqlite3.connect(uri(self.path, mode="rwc"), uri=True, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-65536"):
            self.db.execute(f"PRAGMA {pragma}")
        for statement in HOT_SCHEMA:
            self.db.execute(statement)
        self.db.execute("BEGIN")
        self._thread = ThreadPoolExecutor(1, "freehold-import")
        self._writing: Future[None] | None = None

    def offer(self, calls: list[Call], size: int) -> None:
        """Write calls while the caller makes the next ones: most of writing happens inside SQLite, without the lock.

        Raises:
            sqlite3.Error: those before could not be written.
        """
        self.written()
        self._writing = self._thread.submit(self._write, self.offered + 1, calls)
        self.offered += len(calls)
        self.size += size

    def written(self) -> None:
        """Wait until everything that was offered is written. Raises what `offer` does."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _write(self, first: int, calls: list[Call]) -> None:
        insert(self.db, "calls", call_rows(first, calls, self._key))
        insert(self.db, "bodies", body_rows(first, calls, self._key))

    def settle(self) -> HotTotals:
        """Drop bodies whose call was a duplicate, commit, and count."""
        self.db.execute("DELETE FROM bodies WHERE seq NOT IN (SELECT seq FROM calls)")
        self.db.execute("COMMIT")
        return count(self.db, self.path)

    def close(self) -> None:
        self._thread.shutdown()
        self.db.close()

    def discard(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)


def _batches(calls: Iterable[Call]) -> Iterator[tuple[list[Call], int]]:
    """Calls in lists, each with its size in bytes."""
    batch: list[Call] = []
    size = 0
    for call in calls:
        batch.append(call)
        size += size_of(call)
        if len(batch) >= _BATCH_CALLS or size >= _BATCH_BYTES:
            yield batch, size
            batch, size = [], 0
    if batch:
        yield batch, size


class Appender:
    """Appends to one ledger."""

    def __init__(self, layout: Layout, manifest: Manifest, engine: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self._layout = layout
        self._manifest = manifest
        self._engine = engine

    def append(self, calls: Iterable[Call]) -> Appended:
        """Add the calls that the ledger does not hold; one stage after another, in constant memory."""
        total = Appended()
        stage: _Stage | None = None
        try:
            for batch, size in _batches(calls):
                stage = stage or _Stage(self._layout)
                stage.offer(batch, size)
                if stage.offered >= _STAGE_ROWS or stage.size >= ROTATE_BYTES:
                    # From here on it may be listed at any moment, and is nothing that we may remove.
                    whole, stage = stage, None
                    total += self._publish(whole)
            if stage is not None:
                whole, stage = stage, None
                total += self._publish(whole)
        finally:
            if stage is not None:
                stage.discard()
        return total

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that the ledger holds."""
        listing = self._manifest.listing()
        return self._known(ids, listing) if listing.hot or listing.segments else set()

    def crowded(self) -> bool:
        """Whether so many calls wait to be sealed that adding more should wait for that: each file is searched."""
        return sum(one.rows for one in self._manifest.listing().hot if one.closed) >= _CROWDED_ROWS

    def _publish(self, stage: _Stage) -> Appended:
        """Take out what is known, and list the rest, in one transaction of the manifest."""
        listed = False
        try:
            stage.written()
            with self._manifest.change() as manifest:
                self._remove_known(stage)
                totals = stage.settle()
                stage.close()
                if totals.rows:
                    with stage.path.open("rb") as file:
                        os.fsync(file.fileno())
                    sync_folder(self._layout.hot)
                    manifest.execute(
                        "INSERT INTO hot (name, writer, state, rows, first_us, last_us, bytes, changed_us, key)"
                        " VALUES (?, 'import', 'closed', ?, ?, ?, ?, ?, ?)",
                        (stage.path.name, *totals, now_us(), stage.wrapped_key),
                    )
                    listed = True
            return Appended(totals.rows, stage.offered - totals.rows)
        finally:
            if not listed:
                stage.discard()

    def _remove_known(self, stage: _Stage) -> None:
        """Delete staged calls that hot files or segments hold. The caller holds the manifest's lock: none vanishes."""
        listing = self._manifest.listing()
        if not listing.hot and not listing.segments:
            return
        stage.db.execute("CREATE TEMP TABLE known (id TEXT PRIMARY KEY)")
        ids = [row[0] for row in stage.db.execute("SELECT id FROM calls")]
        known = self._known(ids, listing)
        stage.db.executemany("INSERT INTO known VALUES (?)", ((one,) for one in known))
        stage.db.execute("DELETE FROM calls WHERE id IN (SELECT id FROM known)")

    def _known(self, ids: Sequence[str], listing: Listing) -> set[str]:
        known: set[str] = set()
        with Snapshot(self._layout, listing, self._engine) as snapshot:
            wanted = frozenset(ids)
            for entry, hot in snapshot.hot_files():
                if entry.closed and entry.rows < len(wanted):  # a pass over few rows is cheaper than many searches
                    known.update(wanted.intersection(one for (one,) in hot.execute("SELECT id FROM calls")))
                    continue
                for start in range(0, len(ids), 5000):
                    found = hot.execute(
                        "SELECT id FROM calls WHERE id IN (SELECT value FROM json_each(?))",
                        (json.dumps(ids[start : start + 5000]),),
                    )
                    known.update(row[0] for row in found)
            if listing.segments:
                from ._sealed_ids import SealedIds

                def checked(segments: Sequence[SegmentEntry]) -> list[str]:
                    snapshot.check_segments(segments)
                    return snapshot.segment_paths(segments)

                with closing(self._engine().cursor()) as cursor:
                    known |= SealedIds(self._layout.sealed_ids, cursor, checked).among(ids, listing.segments)
        return known
