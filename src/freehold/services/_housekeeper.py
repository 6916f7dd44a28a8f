"""The housekeeper as the gateway sees it: a process that is started first, waited for once, and ends with us."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from . import housekeeping
from ._beside import Beside

PUBLISH_S = 30.0
"""How long the start waits for the routes to be published."""
_AGAIN_S = 10.0
_END_S = 10.0
_MODULE = "freehold.services.housekeeping"
_FRUGAL = {"MALLOC_MMAP_THRESHOLD_": str(1024 * 1024)}
"""For the allocator of glibc: sealing packs pages of a MiB, one after another, and each is to go back at once."""


class Housekeeper:
    """A process that publishes routes and seals closed hot files while the gateway runs, and ends with it.

    It runs from the beginning of the block, beside whatever the gateway loads meanwhile; nothing is answered before
    `wait`, so that no call is routed by what was declared before.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._beside = self._start()
        self._started_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beside.end(_END_S)

    def wait(self, wait_s: float = PUBLISH_S) -> None:
        """Return once it has published for the first time.

        Where that does not happen in time, it is said; the gateway then answers nothing that might be restricted.
        """
        if self._beside.hear(wait_s) != housekeeping.PUBLISHED:
            sys.stderr.write("freehold: the routes were not published before the start; freehold doctor says why\n")

    def look(self) -> None:
        """Start it again where it died, though not every moment. Called now and then."""
        if self._beside.status is not None and time.monotonic() >= self._started_at + _AGAIN_S:
            self._beside.let_go()
            sys.stderr.write("freehold: the housekeeper died and is started again\n")
            self._beside = self._start()
            self._started_at = time.monotonic()

    def let_go(self) -> None:
        """Close our ends of its streams, in a child that must not keep it from noticing that we are gone."""
        self._beside.let_go()

    def _start(self) -> Beside:
        return Beside(_MODULE, str(self._home), heard=True, environ=_FRUGAL)
