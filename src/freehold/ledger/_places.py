"""Where sealed segments lie: a folder of the home, or an object store. The manifest says of each segment which.

A place is dumb: it keeps whole files under names that are used once, and shows a file whole or not at all. What exists
is for the manifest to say, so a place that lists late or lists leftovers makes no total wrong.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from freehold import settings as settings_module
from freehold.errors import LedgerUnavailable
from freehold.settings import LedgerSettings

from ._layout import Layout
from ._sqlite import Vanished, sync_folder

HERE = ""
"""The address of the folder of the home."""


class Hopeless(LedgerUnavailable):
    """A failure that another attempt will not mend."""


class StoreUnreachable(Hopeless):
    """An object store did not answer, or refused; its client has already tried again. Nothing was read or changed."""

    code = "segments_unreachable"


class Found(NamedTuple):
    """A file that lies at a place, listed or not, and when it came there (seconds since the epoch)."""

    name: str
    changed_s: float


class Place(Protocol):
    """What every place can do. All methods may raise `StoreUnreachable`, or `OSError` for local trouble."""

    @property
    def address(self) -> str:
        """What the manifest calls it."""
        ...

    def claim(self, ledger: str) -> None:
        """Make sure that no other ledger keeps its segments here, before the first is put.

        Raises:
            LedgerUnavailable: another ledger does.
        """
        ...

    def part(self, name: str) -> Path:
        """Where to write a file that `put` will publish; on this machine."""
        ...

    def put(self, name: str) -> None:
        """Publish what was written, and synced, at `part(name)`: from now on the whole file is there for everybody."""
        ...

    def fetch(self, name: str, size: int) -> Path:
        """A path on this machine that holds the whole file. It may go after a while: open it soon, or ask again.

        Raises:
            Vanished: it is not there, or has another size.
        """
        ...

    def forget(self, name: str) -> None:
        """Drop any copy that `fetch` made, because it could not be read. The file itself stays."""
        ...

    def delete(self, name: str) -> None:
        """Remove a file, and what was written for it and never published. One that is not there is no error."""
        ...

    def size(self, name: str) -> int | None:
        """Bytes of a file, None where there is none. Cheap: reads nothing of it."""
        ...

    def leftovers(self) -> Iterator[Found]:
        """Every file, published or not, that whoever sweeps should compare with the manifest; may skip a round."""
        ...


class Folder:
    """Segments in a folder of the home. Publishing is a rename."""

    address = HERE

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def claim(self, ledger: str) -> None:
        """A folder of the home is the home's own."""

    def part(self, name: str) -> Path:
        """Beside the others, under a name that nobody reads."""
        return self._folder / f"{name}.part"

    def put(self, name: str) -> None:
        """Rename it, and sync the folder."""
        self.part(name).rename(self._folder / name)
        sync_folder(self._folder)

    def fetch(self, name: str, size: int) -> Path:
        """The file itself."""
        path = self._folder / name
        found = self.size(name)
        if found is None:
            raise Vanished(f"segment {name} is listed in the manifest and missing")
        if found != size:
            raise Vanished(f"segment {name} has {found} bytes, the manifest says {size}")
        return path

    def forget(self, name: str) -> None:
        """There is no copy."""

    def delete(self, name: str) -> None:
        """Unlink it."""
        (self._folder / name).unlink(missing_ok=True)
        self.part(name).unlink(missing_ok=True)

    def size(self, name: str) -> int | None:
        """As the folder says."""
        try:
            return (self._folder / name).stat().st_size
        except FileNotFoundError:
            return None

    def leftovers(self) -> Iterator[Found]:
        """What the folder holds."""
        for path in self._folder.iterdir():
            yield Found(path.name.removesuffix(".part"), path.stat().st_mtime)


def settings_of(layout: Layout) -> LedgerSettings:
    """The ledger's settings: those its layout was made with, else what the home and the environment say."""
    if layout.settings is not None:
        return layout.settings
    environ: Mapping[str, str] = {**os.environ, settings_module.HOME_VARIABLE: str(layout.root.parent)}
    return settings_module.load(environ).settings.ledger


def place_at(layout: Layout, address: str) -> Place:
    """The place of that address.

    Raises:
        MissingPrerequisite: its client is not installed.
        ConfigurationError: the settings that say how to reach it cannot be read.
    """
    if address == HERE:
        return Folder(layout.segments)
    from ._objects import object_store

    return object_store(layout, address, settings_of(layout))


def place_for_new(layout: Layout) -> Place:
    """Where segments that are written from now on go."""
    return place_at(layout, settings_of(layout).segments.rstrip("/"))
