"""Accounting for writers that were killed: their open files are closed, and what they lost is counted."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3

from freehold.errors import LedgerUnavailable

from ._hot import finish
from ._layout import Layout
from ._manifest import Listing, Manifest, WriterEntry
from ._marks import SUFFIX, DeadMark, take


def recover(layout: Layout, manifest: Manifest) -> int:
    """Account for every dead writer; returns the calls they answered and did not keep.

    May be killed at any point and run again, by any process: a writer's mark is removed only after its losses stand
    in the manifest. A dead file that cannot be closed now stays as it is, and so does its mark.

    Raises:
        sqlite3.Error, OSError, LedgerUnavailable: the manifest cannot be read or written.
    """
    lost = 0
    for path in sorted(layout.marks.glob(f"*{SUFFIX}")):
        mark = take(path)
        if mark is not None:
            lost += _account(layout, manifest, mark)
    listing = manifest.listing()
    marked = {path.name.removesuffix(SUFFIX) for path in layout.marks.glob(f"*{SUFFIX}")}
    for writer in listing.writers:
        gone = writer.ended_us is None and writer.writer not in marked and not _alive(writer)
        if gone and _close_all(layout, manifest, listing, writer.writer):
            manifest.end_writer(writer.writer, answered=-1, dropped=0)
    return lost


def _account(layout: Layout, manifest: Manifest, mark: DeadMark) -> int:
    done = False
    try:
        listing = manifest.listing()
        known = {writer.writer: writer for writer in listing.writers}.get(mark.writer)
        if known is not None and known.ended_us is not None:
            done = True
            return 0
        if not _close_all(layout, manifest, listing, mark.writer):
            return 0
        counts = mark.counts()
        if counts is None:
            manifest.end_writer(mark.writer, answered=-1, dropped=0)
            dropped = 0
        elif counts.answered or known is not None:
            dropped = manifest.end_writer(mark.writer, counts.answered)
        else:
            dropped = 0  # it never answered a call: nothing to remember
        done = True
        return dropped
    finally:
        mark.close(remove=done)


def _close_all(layout: Layout, manifest: Manifest, listing: Listing, writer: str) -> bool:
    """Close the open files of a dead writer; False where one cannot be closed now."""
    whole = True
    for entry in listing.hot:
        if entry.writer == writer and not entry.closed:
            try:
                manifest.close_hot(entry.name, finish(layout.hot / entry.name))
            except (sqlite3.Error, OSError):
                whole = False
    return whole


def _alive(writer: WriterEntry) -> bool:
    """Whether a writer without a mark may still live. Of another host nothing is known: it counts as living."""
    if writer.host and writer.host != socket.gethostname():
        return True
    if writer.pid == os.getpid():
        return True
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(writer.pid, 0)
        return True
    return False


def recover_quietly(layout: Layout, manifest: Manifest) -> None:
    """`recover`, where a failure is no concern of the caller: readers and `doctor` will meet it again and say so."""
    with contextlib.suppress(sqlite3.Error, OSError, LedgerUnavailable):
        recover(layout, manifest)
