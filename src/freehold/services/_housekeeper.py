"""The housekeeper as the gateway sees it: a process that publishes before the first answer, and ends with us."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from ._beside import PUBLISHED, Beside

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
    `wait`, so that no call is routed by what was declared before. Where all is published already it has nothing to do
    for the first answer, and is started by `begin`, after it; it looks again then.
    """

    def __init__(self, home: Path, *, published: bool = False) -> None:
        self._home = home
        self._since_us = time.time_ns() // 1000  # it may be started after the first calls
        self._beside: Beside | None = None
        self._started_at = 0.0
        if not published:
            self.begin()

    def begin(self) -> None:
        """Start it, unless it was started."""
        if self._beside is None:
            self._beside = self._start()
            self._started_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._beside is not None:
            self._beside.end(_END_S)

    def wait(self, wait_s: float = PUBLISH_S) -> None:
        """Return once it has published for the first time; at once where it was not started, since all was published.

        Where that does not happen in time, it is said; the gateway then answers nothing that might be restricted.
        """
        if self._beside is not None and self._beside.hear(wait_s) != PUBLISHED:
            sys.stderr.write("freehold: the routes were not published before the start; freehold doctor says why\n")

    def look(self) -> None:
        """Start it again where it died, though not every moment. Called now and then."""
        beside = self._beside
        if beside is not None and beside.status is not None and time.monotonic() >= self._started_at + _AGAIN_S:
            beside.let_go()
            sys.stderr.write("freehold: the housekeeper died and is started again\n")
            self._beside = None
            self.begin()

    def let_go(self) -> None:
        """Close our ends of its streams, in a child that must not keep it from noticing that we are gone."""
        if self._beside is not None:
            self._beside.let_go()

    def _start(self) -> Beside:
        return Beside(_MODULE, str(self._home), str(self._since_us), heard=True, environ=_FRUGAL)
