"""Where an import stands, so that one which was interrupted goes on."""

from __future__ import annotations

import contextlib
import os
from hashlib import sha256
from pathlib import Path

import msgspec

from .protocol import Mark
from .report import ImportReport

_VERSION = 1


class _Place(msgspec.Struct):
    version: int
    identity: str
    mark: Mark
    report: ImportReport


class Checkpoint:
    """The place up to which a source has been imported into one ledger; nothing where it has no identity.

    It is written after the calls before it are in the ledger: a kill between the two makes some calls be read again,
    and found to be there. A source that has changed since begins anew.
    """

    def __init__(self, folder: Path, identity: str, format_name: str) -> None:
        key = sha256(f"{identity}\0{format_name}".encode()).hexdigest()[:32]
        self._path = folder / f"{key}.json" if identity else None
        self._identity = identity

    def read(self) -> tuple[Mark, ImportReport] | None:
        """Where to go on, and what had been done."""
        if self._path is None:
            return None
        try:
            place = msgspec.json.decode(self._path.read_bytes(), type=_Place)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return (place.mark, place.report) if (place.version, place.identity) == (_VERSION, self._identity) else None

    def write(self, mark: Mark, report: ImportReport) -> None:
        """Remember a place. A disk that refuses loses the place, not the import."""
        if self._path is None:
            return
        part = self._path.with_suffix(f".{os.getpid()}.part")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(msgspec.json.encode(_Place(_VERSION, self._identity, mark, report)))
            part.replace(self._path)

    def forget(self) -> None:
        """The import is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
