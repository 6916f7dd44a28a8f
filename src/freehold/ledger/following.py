"""Following the ledger: what gateways record, each call at least once, for whoever keeps a cursor.

Reading by time would miss calls: one that began earlier may be recorded later. So a cursor counts the rows of each hot
file. Where a file was sealed and swept away before its end was seen, its stretch of time is read from the segments,
which gives some calls again: followers must bear that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from freehold.vocabulary import Call

from ._keys import data_key
from ._layout import Layout
from ._manifest import FileEntry, Manifest
from ._rows import BODIES, GOLD, hot_columns, to_call
from ._snapshot import retried
from ._sqlite import open_readonly
from ._store import Ledger

_DONE = -1
_IMPORTED = "import"


class Cursor(msgspec.Struct, frozen=True):
    """How far a follower has come.

    Files up to number `floor` are done; `seen` holds the last row given of later ones (-1: done as well). Calls that
    began before `since_us` are passed over.
    """

    since_us: int = 0
    floor: int = 0
    seen: dict[str, int] = {}


class Batch(NamedTuple):
    """Some calls, and the cursor to keep once they are dealt with."""

    calls: list[Call]
    cursor: Cursor


def follow(home: Path, cursor: Cursor, *, most: int = 500) -> Iterator[Batch]:
    """What was recorded since, in batches of at most `most` calls; ends where there is no more for now.

    Imported calls are none of a gateway's and are left out. The cursor of a batch counts only if the follower keeps it:
    from an older one, the same calls come again.

    Raises:
        LedgerUnavailable: the ledger cannot be read.
    """
    layout = Layout.of(home)
    files = retried(lambda: Manifest(layout).files_after(cursor.floor))
    seen = {file.name: cursor.seen.get(file.name, 0) for file in files}
    for file in files:
        if seen[file.name] == _DONE:
            continue
        if not _wanted(file, cursor.since_us):
            seen[file.name] = _DONE
            continue
        gone = file.state in ("sealed", "removed") and not (layout.hot / file.name).exists()
        for calls, row in _stretch(home, file, cursor.since_us, most) if gone else _rows(layout, file, cursor, most):
            seen[file.name] = row
            yield Batch(calls, _moved(cursor, files, seen))
    at_last = _moved(cursor, files, seen)
    if at_last != cursor:
        yield Batch([], at_last)


def _wanted(file: FileEntry, since_us: int) -> bool:
    if file.writer == _IMPORTED or file.state == "written_off":
        return False
    return file.state == "open" or (file.rows > 0 and file.last_us >= since_us)


def _rows(layout: Layout, file: FileEntry, cursor: Cursor, most: int) -> Iterator[tuple[list[Call], int]]:
    """The rows of a file that lies there, from where the cursor stands; a closed one is done after its last."""
    row = cursor.seen.get(file.name, 0)
    while True:
        after = row

        def read(after: int = after) -> list[tuple[int, Call]]:
            path = layout.hot / file.name
            if file.state == "open" and not path.exists():
                return []  # made and not yet listed otherwise, or lost: the doctor's business
            with closing(open_readonly(path)) as db:
                sql = (
                    f"SELECT {hot_columns(db)}, {', '.join(BODIES)}, seq FROM calls JOIN bodies USING (seq)"  # noqa: S608
                    " WHERE seq > ? AND started_at_us >= ? ORDER BY seq LIMIT ?"
                )
                found = db.execute(sql, (after, cursor.since_us, most)).fetchall()
            key = data_key(layout, file.key)
            return [
                (seq, to_call(row if key is None else key.show(row), row[GOLD]))
                for *columns, seq in found
                if (row := tuple(columns))
            ]

        found = retried(read)
        last = len(found) < most
        row = found[-1][0] if found else row
        done = last and file.state != "open"
        if found or done:
            yield [call for _, call in found], _DONE if done else row
        if last:
            return


def _stretch(home: Path, file: FileEntry, since_us: int, most: int) -> Iterator[tuple[list[Call], int]]:
    """All calls of gateways in the stretch of time of a file that is gone; it is done after the last."""
    first_us = max(file.first_us, since_us)
    calls = Ledger(home).calls(since_us=first_us, until_us=file.last_us + 1, sources=("gateway",))
    while chunk := list(islice(calls, most)):
        yield chunk, 0
    yield [], _DONE


def _moved(cursor: Cursor, files: tuple[FileEntry, ...], seen: dict[str, int]) -> Cursor:
    """The cursor with what was seen, its floor raised over the files that are done."""
    floor = cursor.floor
    for file in files:
        if seen[file.name] != _DONE:
            break
        floor = file.number
    later = {file.name: seen[file.name] for file in files if file.number > floor and seen[file.name]}
    return msgspec.structs.replace(cursor, floor=floor, seen=later)
