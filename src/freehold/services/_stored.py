"""Small files in `sums/` of a home with what was computed once: each names by a digest what it was computed from.

Safe to delete, and never stale: where the digest differs, or the file cannot be read, there is nothing. A home that
sees a part of its ledger, or cannot be written, keeps nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

import freehold

from .home import Home

FOLDER = "sums"

T = TypeVar("T")


class _File(msgspec.Struct, frozen=True):
    key: str
    kept: msgspec.Raw


def digest(*parts: object) -> str:
    """Equal for equal parts in the same release."""
    return hashlib.sha256(msgspec.json.encode((release(), parts), order="sorted")).hexdigest()


@cache
def release() -> str:
    """This release; where its files are worked on, as they were last written: code and catalogues alike."""
    newest, count = 0, 0
    for folder, _, names in os.walk(Path(freehold.__file__).parent):
        for name in names:
            if name.endswith((".py", ".toml")):
                newest, count = max(newest, Path(folder, name).stat().st_mtime_ns), count + 1
    return f"{freehold.__version__} {newest} {count}"


def recall(home: Home, name: str, key: str, kind: type[T]) -> T | None:
    """What is kept under a name and this key; None where nothing is."""
    if home.until_us is None:
        with contextlib.suppress(OSError, msgspec.DecodeError):
            found = msgspec.msgpack.decode(_path(home, name).read_bytes(), type=_File)
            return msgspec.msgpack.decode(found.kept, type=kind) if found.key == key else None
    return None


def keep(home: Home, name: str, key: str, kept: object) -> None:
    """Keep it, in the place of what was kept under that name before."""
    if home.until_us is not None:
        return
    with contextlib.suppress(OSError):
        path = _path(home, name)
        path.parent.mkdir(exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.msgpack.encode({"key": key, "kept": kept}))
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)


def forget(home: Home) -> None:
    """Remove all that is kept."""
    shutil.rmtree(home.path / FOLDER, ignore_errors=True)


def _path(home: Home, name: str) -> Path:
    return home.path / FOLDER / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.msgpack"
