"""`routes.json`: what the gateway routes by, replaced by rename and read without a database.

Readers see the old table or the new one, never half of either. Writers take turns through a lock beside the file, and
every table they leave has a higher version than the one before.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from freehold.errors import MissingPrerequisite
from freehold.vocabulary import RouteTable

FILE_NAME: Final = "routes.json"

_decoder = msgspec.json.Decoder(RouteTable)


def path(home: Path) -> Path:
    """Where the route table of `home` lies."""
    return home / FILE_NAME


def load(file: Path) -> RouteTable:
    """Read a route table; an empty one of version 0 where nothing was published yet.

    Raises:
        MissingPrerequisite: the file cannot be read as a route table. A reader that holds an earlier table keeps it.
    """
    try:
        return _decoder.decode(file.read_bytes())
    except FileNotFoundError:
        return RouteTable(0)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MissingPrerequisite(
            f"{file} cannot be read as a route table ({type(error).__name__})",
            hint="freehold doctor",
            code="routes_unreadable",
        ) from None


def write(file: Path, table: RouteTable) -> None:
    """Replace the route table by rename. The caller holds `locked(file)` and has raised `version`.

    Raises:
        OSError: the disk refuses; the earlier table stays.
    """
    content = msgspec.json.format(msgspec.json.encode(table))
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def locked(file: Path) -> Generator[None]:
    """Hold the writers' lock of a route table. Waits for other processes; a dead one's lock is free."""
    import fcntl

    lock = file.with_name(f".{file.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
