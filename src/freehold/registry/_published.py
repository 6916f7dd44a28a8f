"""Files that the gateway reads while they change: replaced whole by rename, by one writer at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec


def replace(file: Path, content: msgspec.Struct, *, mode: int) -> None:
    """Put `content`, as JSON that a person can read, in the place of what `file` holds.

    Raises:
        OSError: the disk refuses; what was there stays.
    """
    text = msgspec.json.format(msgspec.json.encode(content))
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def locked(file: Path) -> Generator[None]:
    """Hold the writers' lock of a published file. Waits for other processes; a dead one's lock is free."""
    import fcntl

    lock = file.with_name(f".{file.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
