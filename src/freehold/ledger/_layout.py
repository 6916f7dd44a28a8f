"""Where the parts of a ledger lie under a home, and the few numbers that every part of it shares."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from freehold.errors import LedgerUnavailable
from freehold.settings import LedgerSettings

ROTATE_BYTES = 64 * 1024 * 1024
"""A hot file is closed at this many bytes of bodies, whatever its rows: sealing holds one file in memory."""

REMOVE_AFTER_S = 3600.0
"""A sealed hot file is removed this long after it was sealed: longer than the longest read."""

ORPHAN_AFTER_S = 3600.0
"""A file that no manifest lists is removed at this age: younger ones may be about to be listed."""


class Layout(NamedTuple):
    """The folders and files of one ledger, and its settings where whoever made this knew them."""

    root: Path
    settings: LedgerSettings | None = None

    @classmethod
    def of(cls, home: Path, settings: LedgerSettings | None = None) -> Layout:
        """The ledger of a home."""
        return cls(home / "ledger", settings)

    @property
    def hot(self) -> Path:
        """Rotating SQLite files, each written by one process."""
        return self.root / "hot"

    @property
    def segments(self) -> Path:
        """Sealed Parquet files, where no other place is set for them."""
        return self.root / "segments"

    @property
    def cache(self) -> Path:
        """Copies of segments that lie in an object store."""
        return self.root / "cache"

    @property
    def marks(self) -> Path:
        """One sequence mark per living process."""
        return self.root / "marks"

    @property
    def recognised(self) -> Path:
        """What the calls of each segment were recognised as."""
        return self.root / "recognised"

    @property
    def sealed_ids(self) -> Path:
        """Digests of the ids of sealed calls, for finding duplicates."""
        return self.root / "ids"

    @property
    def imports(self) -> Path:
        """Where imports stand that were interrupted."""
        return self.root / "imports"

    @property
    def rotate(self) -> Path:
        """A file whose touching asks every writer to close its hot file soon."""
        return self.root / "rotate"

    @property
    def manifest(self) -> Path:
        """The only truth about which hot files and segments exist."""
        return self.root / "manifest.db"

    @property
    def gold(self) -> Path:
        """Gold that was attached after the call was recorded."""
        return self.root / "gold.db"

    def make(self) -> None:
        """Create the folders.

        Raises:
            OSError: they cannot be created.
        """
        for folder in (self.hot, self.segments, self.marks):
            folder.mkdir(parents=True, exist_ok=True)

    def holds_files(self) -> bool:
        """Whether any hot file or segment lies there, listed or not."""
        return any(self.hot.glob("*.db")) or any(self.segments.glob("*.parquet"))

    def unwritable(self, error: BaseException) -> LedgerUnavailable:
        """What to raise where writing failed."""
        return LedgerUnavailable(
            f"the ledger cannot be written: {error}",
            hint=f"check space and permissions of {self.root}",
            code="ledger_unwritable",
        )


def now_us() -> int:
    """Microseconds since the epoch, UTC."""
    return time.time_ns() // 1000
