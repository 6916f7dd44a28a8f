"""Several processes that do the same work: started, watched, started again when they die, and ended together.

The processes are forks of one that has loaded everything and started nothing, so that they share its memory and the
next one is there in milliseconds. Each tells the parent when it works, or why it cannot; each notices when the parent
is gone, and ends. Knows nothing of what the work is.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple, NoReturn

import msgspec

from freehold import errors
from freehold.errors import FreeholdError

_ENDS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_SIGNALS = (*_ENDS, signal.SIGCHLD)
_LOOK_S = 5.0
_TOLD_TOO_S = 0.1
"""A terminal tells all at once: a process that was told may be gone this long before we are."""


class Pace(NamedTuple):
    """How patient a fleet is, in seconds.

    A process that died is started again after `first_delay_s`, then after twice as long each time up to
    `longest_delay_s`; one that lived for `healthy_s` begins anew. Told to end, it may take `end_s` and is then killed.
    """

    first_delay_s: float = 0.1
    longest_delay_s: float = 30.0
    healthy_s: float = 30.0
    end_s: float = 60.0


class Watched(msgspec.Struct):
    """One of the processes over all its lives.

    `pid` 0: it is down, and is started (again) at `due_at`, by the monotonic clock. `why` is what it said was
    wrong in this life, `last_end` how its last one ended, at `ended_us` (microseconds since the epoch).
    """

    number: int
    pid: int = 0
    ready: bool = False
    n_starts: int = 0
    why: str = ""
    last_end: str = ""
    ended_us: int = 0
    started_at: float = 0.0
    due_at: float = 0.0
    delay_s: float = 0.0
    report: int = -1


class Ready(msgspec.Struct, frozen=True, tag=True):
    """A process works. `notes` are for the person who started it."""

    notes: tuple[str, ...] = ()


class _Failed(msgspec.Struct, frozen=True, tag=True):
    """A process cannot work, and why: an error of the tree."""

    error: str
    message: str
    hint: str = ""
    code: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Ready | _Failed).decode

Report = Callable[[Ready], None]
Body = Callable[[int, Report], None]
"""The work: gets its number and a way to say that it works; returns after SIGTERM, or raises where it cannot work."""


def _nothing() -> None:
    return None


def _heard() -> list[signal.Signals]:
    """The signals to act on: a hang-up that is ignored, as under nohup, stays so."""
    return [one for one in _SIGNALS if one != signal.SIGHUP or signal.getsignal(one) is not signal.SIG_IGN]


def _woken(_number: int, _frame: FrameType | None) -> None:
    """A handler that does nothing: the signal's number in the pipe does."""


class Fleet:
    """Processes that do the same work. Runs once, in a process with one thread.

    Args:
        count: how many.
        body: what each does.
        say: takes a line for whoever looks after this.
        changed: called in the parent when one of `processes` changed.
        let_go: called in each child first, to close what belongs to the parent alone.
        look: called in the parent whenever it wakes up, at least every few seconds.
        pace: how patient it is.
    """

    def __init__(
        self,
        count: int,
        body: Body,
        *,
        say: Callable[[str], None],
        changed: Callable[[], None] = _nothing,
        let_go: Callable[[], None] = _nothing,
        look: Callable[[], None] = _nothing,
        pace: Pace | None = None,
    ) -> None:
        self.processes = tuple(Watched(number) for number in range(count))
        self._body, self._say, self._changed, self._let_go, self._look = body, say, changed, let_go, look
        self._pace = pace or Pace()
        self._announced = self._stopping = False
        self._clean = True
        self._notes: tuple[str, ...] = ()
        self._failed: _Failed | None = None
        self._woken = self._alive = -1
        self._ours: set[int] = set()

    def run(self, ready: Callable[[tuple[str, ...]], None]) -> bool:
        """Start all, call `ready` with their notes once all work, watch over them until a signal ends them.

        Returns whether all ended well.

        Raises:
            FreeholdError: the error of the first that could not begin its work; all others are ended.
        """
        with self._signals(), self._life():
            gc.collect()
            gc.freeze()  # what is shared stays shared: a child's collector would write to every object
            while not self._stopping:
                self._start_due()
                self._wait(_LOOK_S)
                if not self._announced and any(not process.pid for process in self.processes):
                    self._hear_signals(_TOLD_TOO_S)
                    break
                if not self._announced and all(process.ready for process in self.processes):
                    self._announced = True
                    ready(self._notes)
            told = self._stopping
            self._end()
        if not self._announced and not told:
            raise _error(self._failed)
        return self._clean

    # watching

    def _wait(self, most_s: float) -> None:
        """Wait until something happens, or for `most_s`, and take note of it."""
        now = time.monotonic()
        due = [process.due_at - now for process in self.processes if not process.pid and not self._stopping]
        reports = {process.report: process for process in self.processes if process.report >= 0}
        readable = select.select([self._woken, *reports], [], [], max(0.0, min([*due, most_s])))[0]
        if self._woken in readable:
            self._hear_signals(0.0)
        for handle, process in reports.items():
            if handle in readable:
                self._hear(process)
        for process in self.processes:
            if process.pid:
                pid, status = os.waitpid(process.pid, os.WNOHANG)
                if pid:
                    self._ended(process, os.waitstatus_to_exitcode(status))
        self._look()

    def _hear_signals(self, most_s: float) -> None:
        """Take note of what we were told by a signal, or are within `most_s`."""
        until = time.monotonic() + most_s
        while select.select([self._woken], [], [], max(0.0, until - time.monotonic()))[0]:
            if not _ENDS.isdisjoint(os.read(self._woken, 4096)):
                self._stopping = True
                return

    def _hear(self, process: Watched) -> bool:
        """Read what a process reports: that it works, or why it does not; False once it says nothing more."""
        told = os.read(process.report, 65536)
        for line in told.splitlines():
            report = _decode(line)
            if isinstance(report, Ready):
                process.ready = True
                self._notes = self._notes or report.notes
                self._changed()
            else:
                self._failed = self._failed or report
                process.why = report.message
        if not told:
            self._close(process.report)
            process.report = -1
        return bool(told)

    def _ended(self, process: Watched, code: int) -> None:
        """A process is gone: say so, and let it be started again, later each time it does not last."""
        while process.report >= 0 and self._hear(process):
            pass
        lived_s = time.monotonic() - process.started_at
        pid, process.pid, process.ready = process.pid, 0, False
        if self._stopping or not self._announced:
            self._clean = self._clean and (code == 0 or -code in _ENDS)  # the latter before it had begun its work
            self._changed()
            return
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        process.last_end, process.ended_us = f"{how}: {process.why}" if process.why else how, time.time_ns() // 1000
        longer = process.delay_s * 2 if lived_s < self._pace.healthy_s else 0.0
        process.delay_s = min(max(longer, self._pace.first_delay_s), self._pace.longest_delay_s)
        process.due_at = time.monotonic() + process.delay_s
        self._say(
            f"process {process.number + 1} ({pid}) {process.last_end}; it is started again in {process.delay_s:g} s"
        )
        self._changed()

    def _end(self) -> None:
        """Tell all to end, wait as long as they may take, and kill what is left."""
        self._stopping = True
        until = time.monotonic() + self._pace.end_s
        self._send(signal.SIGTERM)
        while any(process.pid for process in self.processes):
            left = until - time.monotonic()
            if left <= 0:
                self._send(signal.SIGKILL)
            self._wait(max(left, 0.05))

    def _send(self, number: signal.Signals) -> None:
        for process in self.processes:
            if process.pid:
                os.kill(process.pid, number)  # ours until it is waited for, so that the number is nobody else's

    # starting

    def _start_due(self) -> None:
        for process in self.processes:
            if not process.pid and process.due_at <= time.monotonic():
                self._start(process)

    def _start(self, process: Watched) -> None:
        ours, theirs = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        # Between the fork and its own handlers a child would put a signal into the pipe that wakes its parent.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            pid = os.fork()
            if not pid:
                self._live(process.number, theirs)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        os.close(theirs)
        self._ours.add(ours)
        process.pid, process.report, process.why = pid, ours, ""
        process.n_starts += 1
        process.started_at = time.monotonic()
        self._changed()

    def _live(self, number: int, report: int) -> NoReturn:
        """The life of a child."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for each in _heard():
                signal.signal(each, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            for handle in self._ours:
                os.close(handle)
            self._let_go()
            threading.Thread(target=_end_with, args=(self._alive, self._pace.end_s), daemon=True).start()
            self._body(number, lambda ready: _tell(report, ready))
            status = 0
        except FreeholdError as error:
            _tell(report, _Failed(type(error).__name__, error.message, error.hint, error.error_code))
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
            why = (error.strerror or "") if isinstance(error, OSError) else ""  # other words may hold content
            _tell(report, _Failed("FreeholdError", f"the gateway failed ({type(error).__name__}{why and f': {why}'})"))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    # what belongs to the parent

    @contextmanager
    def _signals(self) -> Generator[None]:
        """What ends the fleet, and SIGCHLD, wake the parent; nothing else is done in a handler."""
        self._woken, wake = os.pipe()
        for handle in (self._woken, wake):
            os.set_blocking(handle, False)
        self._ours |= {self._woken, wake}
        before = {number: signal.signal(number, _woken) for number in _heard()}
        previous = signal.set_wakeup_fd(wake)
        try:
            yield
        finally:
            signal.set_wakeup_fd(previous)
            for number, handler in before.items():
                signal.signal(number, handler)
            for handle in tuple(self._ours):
                self._close(handle)

    @contextmanager
    def _life(self) -> Generator[None]:
        """A pipe that is open for as long as the parent lives: its end tells the children."""
        self._alive, held = os.pipe()
        self._ours.add(held)
        try:
            yield
        finally:
            os.close(self._alive)

    def _close(self, handle: int) -> None:
        self._ours.discard(handle)
        os.close(handle)


def _tell(report: int, told: Ready | _Failed) -> None:
    os.write(report, _encode(told) + b"\n")


def _end_with(alive: int, end_s: float) -> None:
    """End this process with its parent: as SIGTERM would, and at once where that takes too long."""
    os.read(alive, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(end_s)
    os._exit(1)


def _error(failed: _Failed | None) -> FreeholdError:
    if failed is None:
        return FreeholdError("a process of the gateway died before it worked")
    kind = getattr(errors, failed.error, FreeholdError)
    return kind(failed.message, hint=failed.hint, code=failed.code)
