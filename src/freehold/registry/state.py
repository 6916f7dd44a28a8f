"""What the registry holds, as one short text, without loading what the registry is otherwise opened with."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import msgspec

from . import _spool
from ._files import CONTROL

_UNRELATED = ("audit_log", "verdicts")
"""Tables of what was done and answered: no answer follows from them."""


def state(home: Path) -> str:
    """A digest of every row but verdicts and the audit log, and of demotions that wait; "" where it cannot be read.

    Another one after each change that anything could follow from. Nothing is migrated, published or written.
    """
    digest = hashlib.sha256()
    try:
        address = f"file:{quote(str((home / CONTROL).absolute()))}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=2.0, isolation_level=None)) as db:
            db.execute("BEGIN")  # all tables as of one moment
            names = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
            for (name,) in names:
                if name not in _UNRELATED:
                    rows = db.execute(f'SELECT * FROM "{name}" ORDER BY rowid').fetchall()  # noqa: S608 - its own names
                    digest.update(msgspec.msgpack.encode((name, rows)))
        digest.update(msgspec.msgpack.encode([file.name for file, _ in _spool.pending(home)]))
    except (sqlite3.Error, OSError):
        return ""
    return digest.hexdigest()
