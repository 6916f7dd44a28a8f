"""The hot files of one writer, all but the writing: opened, synced, folded and listed by a thread of its own.

A sync takes as long as the disk likes (0.8 s were seen while a segment was written beside it), and calls that wait for
one are the gateway's memory. So the journal is never folded into a file that is still written to: it is synced every
`_SYNC_BYTES`, the next file is made before this one is full, and closing happens when the writer is at the next.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable

from freehold.errors import LedgerUnavailable
from freehold.settings import LedgerSettings

from ._hot import HotFile, finish
from ._keys import new_key
from ._layout import ROTATE_BYTES, Layout, now_us
from ._manifest import Manifest
from ._sqlite import Vanished, code_of

FAILURES = (sqlite3.Error, OSError, LedgerUnavailable, Vanished)
BACKOFF_S = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
"""How long to wait after a failure, after the second in a row, and so on."""

_SYNC_BYTES = 4 * 1024 * 1024  # what a power cut may cost of a file that is written to
_NEARLY = 7 / 8  # full enough for the next one to be made
_MANY_ROWS = (
    4096  # what fills with fewer calls than that does not fill in a moment: the next one is made when it is due
)


class HotFiles:
    """Gives a writer one file after another and takes care of those it has done with.

    Args:
        layout, manifest, writer: where the files are, where they are listed, and whose they are.
        settings: when a file is full or old, how careful a commit is.
        lost: called, from the thread, with the number of calls that went with a file which somebody removed or damaged.

    One writer's thread calls everything but `trouble`. `trouble` is "" while all goes well, else the word for what
    fails, and `since_us` when that began; what failed is tried again until it works.
    """

    def __init__(
        self, layout: Layout, manifest: Manifest, writer: str, settings: LedgerSettings, lost: Callable[[int], None]
    ) -> None:
        self._layout = layout
        self._manifest = manifest
        self._writer = writer
        self._settings = settings
        self._lost = lost
        self.n_opened = 0
        self.trouble = ""
        self.since_us = 0
        self._failures = 0
        self._lock = threading.Lock()
        self._spare: HotFile | None = None
        self._spare_wanted = False
        self._unsynced: HotFile | None = None
        self._retired: deque[HotFile] = deque()
        self._stopping = False
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self) -> HotFile:
        """An empty file to write to: the one that was made ready, else a new one.

        Raises:
            OSError, sqlite3.Error, LedgerUnavailable: it cannot be made or listed; nothing of it is left.
        """
        self.release_stale()
        with self._lock:
            self._spare_wanted = False
            hot, self._spare = self._spare, None
        hot = hot or self._open()
        hot.taken = time.monotonic()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="freehold-ledger-files", daemon=True)
            self._thread.start()
        return hot

    def written(self, hot: HotFile) -> None:
        """After each batch: have the file synced where much came since, and the next one made where it is almost full.

        Costs nothing where neither is due.
        """
        sync = self._settings.synchronous == "NORMAL" and hot.size - hot.size_synced >= _SYNC_BYTES
        full = max(hot.size / ROTATE_BYTES, hot.rows / self._settings.rotate_rows)
        spare = _NEARLY <= full < 1 and hot.rows >= _MANY_ROWS and not hot.followed
        if not (sync or spare):
            return
        with self._lock:
            if sync:
                hot.size_synced, self._unsynced = hot.size, hot
            if spare:
                hot.followed, self._spare_wanted = True, self._spare is None
        self._wake.set()

    def done(self, hot: HotFile) -> bool:
        """Whether the writer should let go of a file: it is full or old, or somebody wants to seal what is in it."""
        if self._asked() != hot.asked:
            return True
        aged = time.monotonic() - hot.taken >= self._settings.rotate_s
        return bool(hot.rows) and (aged or hot.rows >= self._settings.rotate_rows or hot.size >= ROTATE_BYTES)

    def retire(self, hot: HotFile) -> None:
        """Close a file; the writer must not touch it again."""
        with self._lock:
            self._retired.append(hot)
        self._wake.set()

    def release_stale(self) -> None:
        """Close the file that was made ready, if somebody has asked since for all files to be closed."""
        with self._lock:
            hot = self._spare
            if hot is None or hot.asked == self._asked():
                return
            self._spare = None
        self.retire(hot)

    def close(self) -> bool:
        """Close all that is left, each file tried once more; whether every one is folded and listed as closed."""
        with self._lock:
            self._spare_wanted = False
            self._stopping = True
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        return not self._retired

    def _asked(self) -> int:
        """What changes when somebody wants hot files closed, to seal what stands in them."""
        try:
            return self._layout.rotate.stat().st_mtime_ns
        except OSError:
            return 0

    def _open(self) -> HotFile:
        """A new file: made first, then listed, then written, so that no row is ever in a file nobody knows of."""
        asked = self._asked()
        self._manifest.create()
        with self._lock:
            self.n_opened += 1
            name = f"{self._writer}-{self.n_opened}.db"
        wrapped, key = new_key(self._layout)
        hot = HotFile(self._layout.hot / name, self._settings.synchronous, key, asked)
        try:
            self._manifest.add_hot(name, self._writer, wrapped)
        except BaseException:
            hot.close()
            for suffix in ("", "-wal", "-shm"):
                (self._layout.hot / f"{name}{suffix}").unlink(missing_ok=True)
            raise
        return hot

    # Everything below runs in the thread.

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait()
            self._wake.clear()
            if not self._turn() and not self._stopping:
                self._stop.wait(BACKOFF_S[min(self._failures, len(BACKOFF_S)) - 1])
                self._wake.set()
        with self._lock:
            if self._spare is not None:
                self._retired.append(self._spare)
                self._spare = None
        self._turn()

    def _turn(self) -> bool:
        """Everything that waits to be done; False where something of it failed."""
        failed = [code for code in map(self._tried, (self._sync, self._make_spare, self._fold_retired)) if code]
        if not failed:
            self.trouble, self._failures = "", 0
            return True
        if not self.trouble:
            self.since_us = now_us()
        self.trouble = failed[0]
        self._failures += 1
        return False

    def _tried(self, step: Callable[[], None]) -> str:
        """Do a step; the word for what failed, or ""."""
        try:
            step()
        except FAILURES as error:
            return code_of(error)
        except Exception:  # noqa: BLE001 - whatever it is, later files must be closed all the same
            return "internal"
        return ""

    def _sync(self) -> None:
        hot = self._unsynced
        if hot is not None:
            hot.sync()
            with self._lock:
                if self._unsynced is hot:
                    self._unsynced = None

    def _make_spare(self) -> None:
        if not self._spare_wanted:
            return
        hot = self._open()
        with self._lock:
            self._spare, self._spare_wanted = hot, False

    def _fold_retired(self) -> None:
        while self._retired:
            self._fold(self._retired[0])
            self._retired.popleft()

    def _fold(self, hot: HotFile) -> None:
        """Close a file and list it so; one that somebody removed or damaged is given up, or no later one would be.

        The manifest goes on saying that such a file should exist: `doctor` tells.
        """
        hot.close()
        if not hot.path.exists():
            self._lost(hot.rows)
            return
        try:
            totals = finish(hot.path)
        except sqlite3.Error as error:
            if code_of(error) != "damaged":
                raise
            self._lost(hot.rows)
        else:
            self._manifest.close_hot(hot.path.name, totals)
