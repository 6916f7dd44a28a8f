"""What is wrong with a ledger, and what mends it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Literal

import msgspec

from freehold.errors import FreeholdError, LedgerUnavailable

from ._hot import look, sound
from ._layout import Layout, now_us
from ._manifest import HotEntry, Listing, Manifest, SegmentEntry
from ._marks import SUFFIX, peek
from ._places import place_at
from ._snapshot import Snapshot
from ._sqlite import Vanished, code_of

if TYPE_CHECKING:
    import duckdb

BACKLOG_FILES = 20
BACKLOG_S = 24 * 3600
_LOW_SPACE_BYTES = 512 * 1024 * 1024


_WRITE_OFF = "freehold doctor --write-off"


class Finding(msgspec.Struct, frozen=True):
    """Something that is wrong: a stable code, how bad, what, and the command or setting that mends it."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    remedy: str


def examine(layout: Layout, manifest: Manifest, engine: duckdb.DuckDBPyConnection) -> list[Finding]:
    """Look at everything once. Reads only; a ledger that was never written is in order."""
    try:
        return _examine(layout, manifest, engine)
    except OSError as error:
        where = str(layout.root)
        remedy = f"chown or chmod {where} and the folders above it for this user"
        return [Finding("folder_unreadable", "error", f"{where} cannot be looked at: {error.strerror}", remedy)]


def _examine(layout: Layout, manifest: Manifest, engine: duckdb.DuckDBPyConnection) -> list[Finding]:
    if not layout.root.exists():
        return list(_home(layout))
    findings = [*_folders(layout), *_space(layout)]
    try:
        listing = manifest.listing()
    except (sqlite3.Error, OSError, LedgerUnavailable) as error:
        remedy = f"restore {layout.manifest} from a backup; until then nothing can be read"
        return [*findings, Finding("manifest_unreadable", "error", f"the manifest cannot be read: {error}", remedy)]
    return [
        *findings,
        *_hot_files(layout, listing),
        *_segments(layout, listing, engine),
        *_losses(layout, listing),
        *_erasures(manifest),
        *_backlog(listing),
    ]


def _home(layout: Layout) -> Iterator[Finding]:
    parent = layout.root.parent
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not (parent.is_dir() and os.access(parent, os.W_OK)):
        yield _unwritable(str(layout.root))


def _folders(layout: Layout) -> Iterator[Finding]:
    for folder in (layout.root, layout.hot, layout.segments, layout.marks):
        if folder.exists() and not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
            yield _unwritable(str(folder))


def _unwritable(where: str) -> Finding:
    return Finding(
        "folder_unwritable",
        "error",
        f"{where} cannot be written: calls pass, and are dropped and counted once the queue is full",
        f"chown or chmod {where} for the gateway's user, or set FREEHOLD_HOME to a folder that it can write",
    )


def _space(layout: Layout) -> Iterator[Finding]:
    disk = os.statvfs(layout.root)
    if disk.f_bavail * disk.f_frsize < _LOW_SPACE_BYTES:
        free = disk.f_bavail * disk.f_frsize // (1024 * 1024)
        yield Finding(
            "disk_nearly_full",
            "error",
            f"{free} MiB are free where the ledger lies; when none are, calls pass and are dropped and counted",
            f"free space on the disk of {layout.root}, or move FREEHOLD_HOME to a larger one",
        )


def _hot_files(layout: Layout, listing: Listing) -> Iterator[Finding]:
    for entry in listing.hot:
        problem = _problem(layout, entry)
        if problem:
            yield Finding(
                "hot_file_unreadable",
                "error",
                f"hot file {entry.name}: {problem}; nothing can be read whole until it is back or written off",
                f"restore {layout.hot / entry.name} from a backup, or give it up: {_WRITE_OFF} {entry.name}",
            )


def _problem(layout: Layout, entry: HotEntry) -> str:
    path = layout.hot / entry.name
    if not path.exists():
        return "missing"
    try:
        rows = look(path).rows
        whole = not entry.closed or sound(path)
    except (sqlite3.Error, OSError) as error:
        return code_of(error)
    if entry.closed and rows != entry.rows:
        return f"{rows} calls where the manifest says {entry.rows}"
    return "" if whole else "damaged"


def _segments(layout: Layout, listing: Listing, engine: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    import duckdb

    blocked = "nothing can be read whole until it is back"
    with Snapshot(layout, Listing(), lambda: engine) as snapshot:
        for segment in listing.segments:
            where = f"{segment.place or layout.segments}/{segment.name}"
            try:
                if segment.place:
                    _look_at(layout, segment)
                    continue
                snapshot.check_segments([segment])
                with closing(engine.cursor()) as cursor:
                    sql = "SELECT count(id), max(octet_length(response)) FROM read_parquet(?)"
                    cursor.execute(sql, [str(layout.segments / segment.name)])
            except FreeholdError as error:  # the store is out of reach, or its client is missing: true of all it holds
                yield Finding(error.error_code, "error", error.message, error.hint)
                return
            except (Vanished, OSError, duckdb.Error) as error:
                what = str(error).splitlines()[0]
                yield Finding(
                    "segment_unreadable",
                    "error",
                    f"segment {segment.name} ({segment.rows} calls): {what}; {blocked}",
                    f"restore {where} from a backup, or give it up: {_WRITE_OFF} {segment.name}",
                )


def _look_at(layout: Layout, segment: SegmentEntry) -> None:
    """Whether an object is there with its size; it is not downloaded for that.

    Raises:
        Vanished: it is not.
    """
    size = place_at(layout, segment.place).size(segment.name)
    if size != segment.size:
        raise Vanished("missing" if size is None else f"{size} bytes where the manifest says {segment.size}")


def _losses(layout: Layout, listing: Listing) -> Iterator[Finding]:
    for writer in listing.writers:
        if writer.answered == -1:
            yield Finding(
                "losses_unknown",
                "warning",
                f"writer {writer.writer} was killed and its mark is gone: what it lost cannot be told",
                "keep ledger/marks writable; nothing else can be done about the past",
            )
    dropped = sum(writer.dropped or 0 for writer in listing.writers)
    ended = {writer.writer for writer in listing.writers if writer.ended_us is not None}
    for path in layout.marks.glob(f"*{SUFFIX}"):
        counts = peek(path)
        if counts is not None and path.name.removesuffix(SUFFIX) not in ended:
            dropped += counts.dropped
    for file in listing.written_off:
        calls = "an unknown number of" if file.rows is None else f"{file.rows}"
        yield Finding(
            "calls_written_off",
            "warning",
            f"{file.name} was written off, {calls} calls with it",
            "import them again where another log holds them",
        )
    if dropped:
        yield Finding(
            "calls_dropped",
            "warning",
            f"{dropped} calls were answered and are not in the ledger",
            "raise ledger.queue_calls and queue_bytes, or give it a faster or larger disk; a kill loses what waits",
        )


def _erasures(manifest: Manifest) -> Iterator[Finding]:
    for name in manifest.column("SELECT id FROM erasures WHERE done_us IS NULL ORDER BY begun_us"):
        yield Finding(
            "erasure_unfinished",
            "error",
            f"erasure {name} was begun and not finished: some of the content is still there",
            "ask for the same again: freehold erase --user USER",
        )


def _backlog(listing: Listing) -> Iterator[Finding]:
    closed = [entry for entry in listing.hot if entry.closed]
    oldest_s = (now_us() - min((entry.changed_us for entry in closed), default=now_us())) / 1e6
    if len(closed) > BACKLOG_FILES or oldest_s > BACKLOG_S:
        yield Finding(
            "unsealed_backlog",
            "warning",
            f"{len(closed)} closed hot files ({sum(entry.rows for entry in closed)} calls) wait to be sealed",
            "keep freehold up running: it seals in the background",
        )
