"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace(file: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Put `content` in the place of what `file` holds, by rename. Its folder exists.

    Raises:
        OSError: the disk refuses; what was there stays.
    """
    temporary = _written(file, content)
    try:
        temporary.chmod(mode)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_once(file: Path, content: bytes) -> None:
    """Make a file that its owner alone may read, where there is none yet. Its folder exists.

    Of several processes at once exactly one makes it; what the others brought is dropped.

    Raises:
        OSError: the disk refuses.
    """
    temporary = _written(file, content)
    try:
        file.hardlink_to(temporary)  # fails where the name is taken, as a rename would not
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _written(file: Path, content: bytes) -> Path:
    """A file beside `file`, on the disk, which its owner alone may read."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
