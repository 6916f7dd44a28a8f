"""What a reader would see, as one short text: equal texts read alike, so that what was made from calls can be kept."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing

from ._layout import Layout
from ._snapshot import Snapshot
from ._sqlite import open_settled


def state(layout: Layout, snapshot: Snapshot) -> str:
    """A digest of every call's identity and of the gold attached to calls.

    Another one after each call, seal, merge, erasure, expiry, attached or taken back gold, and new look at what calls
    are. Files that are listed never change in place: segments have new names when they are rewritten, and hot files
    only grow. Not promised: that it stays when nothing that matters changed.

    Raises:
        sqlite3.Error: a file cannot be read.
        OSError: likewise.
    """
    listing = snapshot.listing
    parts: list[object] = [
        [(one.name, one.rows, one.size, one.place) for one in listing.segments],
        [one.name for one in listing.written_off],
    ]
    for entry, db in snapshot.hot_files():
        rows, last = db.execute("SELECT count(*), coalesce(max(seq), 0) FROM calls").fetchone()
        parts.append((entry.name, rows, last))
    if layout.recognised.is_dir():
        marks = ((one.name, one.stat()) for one in layout.recognised.iterdir())
        parts.append(sorted((name, found.st_mtime_ns, found.st_size) for name, found in marks))
    if layout.gold.exists():
        with closing(open_settled(layout.gold)) as db:
            sql = "SELECT call_id, gold FROM gold ORDER BY call_id"
            digest = hashlib.sha256()
            for row in db.execute(sql):
                digest.update(json.dumps(row).encode())
            parts.append(digest.hexdigest())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
