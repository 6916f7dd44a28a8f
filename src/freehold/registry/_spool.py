"""Demotions that wait for the database: one small file each, so that none is forgotten while it is locked or gone."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec

FOLDER: Final = "demotions"


class Pending(msgspec.Struct, frozen=True):
    """A demotion that was decided: of which task, which certificate it voids, why, and when (UTC)."""

    task_id: str
    certificate_id: str
    reason: str
    decided_at: str


def put(home: Path, pending: Pending) -> Path:
    """Write a pending demotion durably; the same one again changes nothing. Returns its file."""
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    content = "\n".join([pending.task_id, pending.certificate_id])
    file = folder / f"{hashlib.sha256(content.encode()).hexdigest()[:32]}.json"
    if not file.exists():
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        with temporary.open("wb") as stream:
            stream.write(msgspec.json.encode(pending))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    return file


def pending(home: Path) -> list[tuple[Path, Pending]]:
    """Every demotion that waits, by file. A file that cannot be read is left where it is and skipped."""
    found: list[tuple[Path, Pending]] = []
    for file in sorted((home / FOLDER).glob("*.json")):
        try:
            found.append((file, msgspec.json.decode(file.read_bytes(), type=Pending)))
        except (OSError, msgspec.DecodeError):
            continue
    return found
