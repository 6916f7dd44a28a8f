"""Opening SQLite files the way a ledger needs, and the short code of what went wrong."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

_CODES = (
    (("disk is full", "no space", "file too large"), "full"),
    (("locked", "busy"), "locked"),
    (("readonly", "read-only", "permission", "unable to open"), "unwritable"),
    (("malformed", "not a database", "no such table", "corrupt"), "damaged"),
)


class Vanished(Exception):
    """A file that the manifest lists is not there, or is not the file it was."""


def uri(path: Path, **parameters: str) -> str:
    """The SQLite URI of a file."""
    query = "&".join(f"{key}={value}" for key, value in parameters.items())
    return f"file:{quote(str(path.absolute()))}?{query}"


def open_writable(path: Path, *, create: bool, timeout_s: float) -> sqlite3.Connection:
    """Open a file for writing, in autocommit mode: transactions are begun by hand.

    Raises:
        sqlite3.Error: it cannot be opened, or does not exist and `create` is false.
    """
    mode = "rwc" if create else "rw"
    return sqlite3.connect(
        uri(path, mode=mode), uri=True, timeout=timeout_s, isolation_level=None, check_same_thread=False
    )


def open_readonly(path: Path, *, timeout_s: float = 2.0) -> sqlite3.Connection:
    """Open an existing file for reading; never creates it.

    A WAL file needs its `-shm` beside it. Where the folder cannot be written and no WAL is pending, nobody can be
    writing either, and the file is read as immutable.

    Raises:
        sqlite3.Error: it does not exist or cannot be read.
    """
    wal = path.with_name(path.name + "-wal")
    frozen = not os.access(path.parent, os.W_OK) and not (wal.exists() and wal.stat().st_size)
    address = uri(path, mode="ro", immutable="1") if frozen else uri(path, mode="ro")
    return sqlite3.connect(address, uri=True, timeout=timeout_s, isolation_level=None, check_same_thread=False)


def open_settled(path: Path, *, timeout_s: float = 2.0) -> sqlite3.Connection:
    """Open a file with a rollback journal for reading.

    What a killed process left half changed is undone first, which takes a writable opening.

    Raises:
        sqlite3.Error: it does not exist or cannot be read.
    """
    if path.with_name(f"{path.name}-journal").exists():
        with contextlib.closing(open_writable(path, create=False, timeout_s=timeout_s)) as db:
            db.execute("SELECT count(*) FROM sqlite_schema")
    return open_readonly(path, timeout_s=timeout_s)


def code_of(error: BaseException) -> str:
    """One word for a failure: `full`, `locked`, `unwritable`, `damaged`, `vanished` or `io`."""
    if isinstance(error, Vanished):
        return "vanished"
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return "full"
        return "unwritable" if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR) else "io"
    text = str(error).lower()
    return next((code for words, code in _CODES if any(word in text for word in words)), "io")


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in a folder outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
