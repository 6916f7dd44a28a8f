"""Which calls an import would add, found out without adding one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from itertools import islice

from freehold.ledger._store import Ledger
from freehold.vocabulary import Call

_BATCH = 20_000


class Seen:
    """The ids of a dry run, in a temporary file of SQLite's that is gone when it is closed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID")

    def count(self, calls: Iterable[Call]) -> tuple[int, int]:
        """How many of the calls would be added, and how many are there already or come twice.

        Raises:
            LedgerUnavailable: the ledger cannot be read.
        """
        added = offered = 0
        ids = (call.id for call in calls)
        while some := list(islice(ids, _BATCH)):
            offered += len(some)
            known = self._ledger.known(some)
            with closing(self._db.cursor()) as cursor:
                cursor.execute("BEGIN")
                cursor.executemany(
                    "INSERT OR IGNORE INTO seen VALUES (?)", ((one,) for one in some if one not in known)
                )
                added += max(0, cursor.rowcount)
                cursor.execute("COMMIT")
        return added, offered - added

    def close(self) -> None:
        """Forget them."""
        self._db.close()
