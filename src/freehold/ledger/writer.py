"""The gateway's side of the ledger: it takes every call, never waits, never raises, and loses nothing unseen.

    writer.mark()         before the last byte of an answer leaves
    writer.offer(call)    once the call is over; every marked call is offered exactly once

The promise: a call that was marked is in the ledger after a SIGKILL, or is counted as dropped. One thread commits
batches to this process's own hot file, another opens and closes such files (`_hot_files`); the mark (`_marks`) counts
answered calls in memory that outlives the process; answered minus rows is what was lost, reckoned at close or by
whoever finds the dead process's mark. Power cuts are another matter: with `synchronous = "NORMAL"` the last moments
before one may be lost uncounted.

Standard library and msgspec only: the gateway imports this.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from pathlib import Path

import msgspec

from freehold.settings import LedgerSettings
from freehold.vocabulary import Call

from ._hot import HotFile
from ._hot_files import BACKOFF_S, FAILURES, HotFiles
from ._keys import new_key
from ._layout import Layout, now_us
from ._manifest import Manifest
from ._marks import Mark
from ._recovery import recover_quietly
from ._rows import TOGETHER, size_of
from ._sqlite import code_of
from ._waiting import OBJECT_BYTES, Waiting

_BATCH_CALLS = TOGETHER[0]
_BATCH_BYTES = 2 * 1024 * 1024  # held three times while it is written: as calls, as SQLite's values, as its pages
_GATHER_S = 0.005  # wait this long before each batch: fewer commits, and a kill costs no more than this
_TICK_S = 0.25
_GIVE_UP_FILE = 3  # failures other than "full" and "locked" after which a new file is tried


class LedgerHealth(msgspec.Struct, frozen=True):
    """How the record of calls is doing.

    `answered` = written + pending + dropped, but for calls marked and not yet offered. `last_error` is "" while calls
    are being written, else `full`, `locked`, `unwritable`, `damaged`, `vanished`, `io`, `queue_full` or `internal`;
    `since_us` is when that began. `durable_marks` False: until the folder becomes writable, a SIGKILL would lose the
    count too.
    """

    pending: int
    pending_bytes: int
    written: int
    dropped: int
    answered: int
    last_error: str
    since_us: int
    durable_marks: bool

    @property
    def ok(self) -> bool:
        """Whether everything offered is being written."""
        return not self.last_error


class LedgerWriter:
    """Records the calls of one process.

    Args:
        home: the folder of this Freehold (`FREEHOLD_HOME`).
        settings: when to rotate, how many calls may wait, how careful a commit is.

    Raises:
        ConfigurationError, MissingPrerequisite: bodies are to be encrypted, and the key cannot be had.

    Starts whatever the state of the disk: in trouble it keeps calls in memory up to the queue's bound, drops and
    counts the rest, says so in `health()`, and recovers by itself. Safe to call from any thread; not across a fork.
    """

    def __init__(self, home: Path, settings: LedgerSettings | None = None) -> None:
        self._settings = settings or LedgerSettings()
        self._layout = Layout.of(home, self._settings)
        new_key(self._layout)  # a key that is missing is said now, and not when there are calls to be kept
        self._manifest = Manifest(self._layout, timeout_s=0.5)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        self.name = f"{stamp}-{os.getpid()}-{secrets.token_hex(4)}"
        self._lock = threading.Lock()
        self._queue = Waiting()
        self._unclaimed = 0
        self._written = 0
        self._error = ""
        self._since_us = 0
        self._overflowing = False
        self._mark = Mark(self._layout.marks, self.name)
        self._files = HotFiles(self._layout, self._manifest, self.name, self._settings, self._lose)
        self._hot: HotFile | None = None
        self._failures = 0
        self._batch: list[Call] = []
        self._batch_bytes = 0
        self._busy = False
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._deadline: float | None = None
        self._mark_tried = 0.0
        self._stop = threading.Event()
        self._attach_mark()
        self._thread = threading.Thread(target=self._run, name="freehold-ledger", daemon=True)
        self._thread.start()

    def mark(self) -> int:
        """Count an answer, before its last byte leaves; returns how many this process has answered."""
        with self._lock:
            self._unclaimed += 1
            return self._mark.count()

    def offer(self, call: Call) -> bool:
        """Hand over a finished call; False where it was dropped because too many wait.

        Takes the place of one earlier `mark()`; where none is open (a call that never reached an answer) it counts
        itself. The call must not be changed afterwards.
        """
        size = size_of(call)
        with self._lock:
            if self._unclaimed:
                self._unclaimed -= 1
            else:
                self._mark.count()
            queued = len(self._queue)
            waiting = queued + len(self._batch)
            held = self._queue.held + self._batch_bytes + len(self._batch) * OBJECT_BYTES
            if (
                self._deadline is not None
                or waiting >= self._settings.queue_calls
                or (waiting and held + size > self._settings.queue_bytes)  # a single one is kept, however large
            ):
                self._mark.dropped += 1
                self._overflowing = True
                return False
            if not queued:
                self._idle.clear()
            self._queue.put(call, size)
        if not self._wake.is_set():
            self._wake.set()
        return True

    def health(self) -> LedgerHealth:
        """How it is doing now."""
        with self._lock:
            error, since_us = self._error, self._since_us
            if not error and self._files.trouble:
                error, since_us = self._files.trouble, self._files.since_us
            error = error or ("queue_full" if self._overflowing else "")
            return LedgerHealth(
                pending=len(self._queue) + len(self._batch),
                pending_bytes=self._queue.size + self._batch_bytes,
                written=self._written,
                dropped=self._mark.dropped,
                answered=self._mark.answered,
                last_error=error,
                since_us=since_us,
                durable_marks=self._mark.attached or self._deadline is not None,
            )

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything offered so far is committed; False where that took too long."""
        return self._idle.wait(timeout_s)

    def close(self, timeout_s: float = 10.0) -> LedgerHealth:
        """Commit what waits, close the file and account for the rest; calls offered afterwards are dropped.

        What cannot be written within `timeout_s` counts as dropped. Returns the final health.
        """
        with self._lock:
            if self._deadline is None:
                self._deadline = time.monotonic() + timeout_s
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout_s + 5.0)
        return self.health()

    def __enter__(self) -> LedgerWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Everything below runs in the writer's thread.

    def _run(self) -> None:
        recover_quietly(self._layout, self._manifest)
        while True:
            try:
                if self._turn():
                    break
            except FAILURES as error:
                self._failed(code_of(error))
            except Exception:  # noqa: BLE001 - a call that cannot be written must not end the record of all others
                self._failed("internal")
                self._write_singly()
        self._end()

    def _turn(self) -> bool:
        """One turn of the loop; True when all is done."""
        closing = self._deadline
        if not self._batch and not self._queue:
            if closing is not None:
                return True
            if not self._busy:  # after a batch it looks once more by itself: to be woken up costs the calls more
                self._wake.wait(_TICK_S)
                self._wake.clear()
        if not self._batch and len(self._queue) < _BATCH_CALLS and self._deadline is None:
            time.sleep(_GATHER_S)
        if closing is not None and time.monotonic() >= closing:
            self._give_up()
            return True
        self._attach_mark()
        self._take_batch()
        self._busy = bool(self._batch)
        if self._batch:
            self._commit()
        self._rotate_if_due()
        return False

    def _attach_mark(self) -> None:
        """Give the mark its file. Without one calls are recorded all the same; `health` says `durable_marks` False."""
        now = time.monotonic()
        if self._mark.attached or now < self._mark_tried + BACKOFF_S[-1]:
            return
        self._mark_tried = now
        with contextlib.suppress(OSError, ValueError):
            self._layout.make()
            self._mark.prepare()
            with self._lock:
                self._mark.adopt()

    def _take_batch(self) -> None:
        """As many calls as one statement takes: each one more gives up the interpreter, and waits to get it back."""
        if self._batch or not self._queue:
            return
        with self._lock:
            most = next(one for one in TOGETHER if one <= len(self._queue))
            while self._queue and len(self._batch) < most and self._batch_bytes < _BATCH_BYTES:
                try:
                    call, size = self._queue.get()
                except msgspec.ValidationError:
                    self._mark.dropped += 1  # no call by the type of a field: it goes alone
                    continue
                self._batch.append(call)
                self._batch_bytes += size
            if not self._batch and not self._queue:
                self._idle.set()

    def _commit(self) -> None:
        if self._hot is None:
            self._hot = self._files.take()
        self._hot.write(self._batch, self._batch_bytes)
        self._files.written(self._hot)
        with self._lock:
            self._written += len(self._batch)
            self._batch, self._batch_bytes = [], 0
            self._error, self._since_us, self._overflowing = "", 0, False
            self._failures = 0
            if not self._queue:
                self._idle.set()

    def _write_singly(self) -> None:
        """Write a batch call by call, and drop those that cannot be written at all (a number beyond 64 bits, say)."""
        while self._batch and self._hot is not None:
            kept = 1
            try:
                self._hot.write(self._batch[:1], size_of(self._batch[0]))
            except FAILURES:
                return
            except Exception:  # noqa: BLE001 - whatever it is, this call is the cause
                kept = 0
            with self._lock:
                self._batch.pop(0)
                self._written += kept
                self._mark.dropped += 1 - kept
        with self._lock:
            self._batch_bytes = sum(map(size_of, self._batch))
            if not self._batch and not self._queue:
                self._idle.set()

    def _rotate_if_due(self) -> None:
        if self._hot is not None and self._files.done(self._hot):
            self._let_go()
        self._files.release_stale()

    def _let_go(self) -> None:
        if self._hot is not None:
            self._files.retire(self._hot)
            self._hot = None

    def _lose(self, rows: int) -> None:
        """Count what went with a file that somebody removed or damaged under us."""
        with self._lock:
            self._written -= rows
            self._mark.dropped += rows

    def _failed(self, code: str) -> None:
        with self._lock:
            if not self._error:
                self._since_us = now_us()
            self._error = code
        self._failures += 1
        if code == "vanished" or (code not in ("full", "locked") and self._failures % _GIVE_UP_FILE == 0):
            self._let_go()
        pause = BACKOFF_S[min(self._failures, len(BACKOFF_S)) - 1]
        if self._deadline is None:
            self._stop.wait(pause)
        else:
            time.sleep(min(pause, max(0.0, self._deadline - time.monotonic())))

    def _drop_batch(self) -> None:
        with self._lock:
            self._mark.dropped += len(self._batch)
            self._batch, self._batch_bytes = [], 0
            if not self._queue:
                self._idle.set()

    def _give_up(self) -> None:
        self._drop_batch()
        with self._lock:
            self._mark.dropped += len(self._queue)
            self._queue = Waiting()
            self._idle.set()

    def _end(self) -> None:
        self._let_go()
        recorded = False
        if self._files.close():
            with contextlib.suppress(*FAILURES):
                if self._files.n_opened or self._mark.answered:
                    self._manifest.create()
                    self._manifest.end_writer(self.name, self._mark.answered, self._mark.dropped + self._unclaimed)
                recorded = True
        with self._lock:
            self._mark.close(remove=recorded)
