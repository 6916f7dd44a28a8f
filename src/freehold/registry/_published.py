"""Files that the gateway reads while they change: replaced whole by rename, by one writer at a time."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from freehold import files
from freehold.errors import MissingPrerequisite

T = TypeVar("T", bound=msgspec.Struct)


def load(file: Path, decoder: msgspec.json.Decoder[T], *, empty: T, what: str, code: str) -> T:
    """What `file` holds; `empty` where nothing was published yet. `what` it is and `code` are for the error.

    Raises:
        MissingPrerequisite: the file cannot be read as that.
    """
    try:
        return decoder.decode(file.read_bytes())
    except FileNotFoundError:
        return empty
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MissingPrerequisite(
            f"{file} cannot be read as {what} ({type(error).__name__})", hint="freehold doctor", code=code
        ) from None


def replace(file: Path, content: msgspec.Struct, *, mode: int) -> None:
    """Put `content`, as JSON that a person can read, in the place of what `file` holds.

    Raises:
        OSError: the disk refuses; what was there stays.
    """
    files.replace(file, msgspec.json.format(msgspec.json.encode(content)), mode=mode)


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
