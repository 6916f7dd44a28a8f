"""One worker process as the host sees it: its connection, what it owes, and when to lose patience with it.

Knows a single life of a worker. Starting it again is the host's work.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, cast

from freehold import errors
from freehold.errors import FreeholdError, MissingPrerequisite, UpstreamFailed, UpstreamTimeout

from ._frames import Answered, Failed, Frames, Loaded, Reply, Request, decode_reply, encode

_CLOSE_S: Final = 2.0
_DIE_S: Final = 0.2
_INHERITED: Final = ("PATH", "HOME", "LANG", "TMPDIR", "TZ", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_INHERITED_PREFIXES: Final = ("LC_", "PYTHON")


class Patience(NamedTuple):
    """How long a worker may be silent while it owes something: answering, and loading a student."""

    answer_s: float
    load_s: float


class _Owed(NamedTuple):
    """A question that has no reply yet. `future` is done where nobody waits for it any more."""

    future: asyncio.Future[Reply]
    student_id: str
    n_bytes: int


class Link(asyncio.Protocol):
    """A running worker.

    Args:
        patience: beyond it the process is killed.
    """

    def __init__(self, patience: Patience) -> None:
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._frames = Frames()
        self._owed: dict[int, _Owed] = {}
        self._loaded: set[str] = set()
        self._transport: asyncio.Transport | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._heard_at = 0.0
        self._killed = False
        self._watchdog: asyncio.TimerHandle | None = None
        self.gone = asyncio.Event()
        self.pending_bytes = 0
        self.last_words = ""

    async def start(self, home: Path, loader: str, environment: Mapping[str, str]) -> None:
        """Start the process and connect to it. `home` must be absolute.

        Raises:
            OSError: the system refuses to start it.
        """
        ours, theirs = socket.socketpair()
        try:
            ours.setblocking(False)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # Nothing in the working folder may stand in for a module.
                "-m",
                "freehold.serving.worker",
                f"--fd={theirs.fileno()}",
                f"--home={home}",
                f"--loader={loader}",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={**inherited(os.environ), **environment},
            )
            await self._loop.create_unix_connection(lambda: self, sock=ours)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int | None:
        """The process's id, while it has one."""
        return None if self._process is None else self._process.pid

    @property
    def up(self) -> bool:
        """Whether questions can be put to it."""
        return self._transport is not None and not self.gone.is_set()

    @property
    def silent_s(self) -> float:
        """For how long it has said nothing although it owes something; 0 where it owes nothing."""
        return self._loop.time() - self._heard_at if self._owed else 0.0

    def has(self, student_id: str) -> bool:
        """Whether it is known to have that student loaded."""
        return student_id in self._loaded

    @property
    def n_owed(self) -> int:
        """How many questions have no reply yet, those included for which nobody waits any more."""
        return len(self._owed)

    async def ask(self, request: Request, timeout_s: float) -> Reply:
        """Put one question and wait for its reply.

        Raises:
            UpstreamTimeout: no reply in time. The worker is not disturbed; its late reply is thrown away.
            UpstreamFailed: the question is too long for a frame.
            MissingPrerequisite: the worker died.
        """
        if self._transport is None or self.gone.is_set():
            raise unavailable(self.last_words)
        frame = encode(request)
        future: asyncio.Future[Reply] = self._loop.create_future()
        idle = not self._owed
        self._owed[request.number] = _Owed(future, request.student_id, len(frame))
        self.pending_bytes += len(frame)
        if idle:
            self._heard_at = self._loop.time()
            self._watch()
        timer = self._loop.call_later(timeout_s, _give_up, future, timeout_s)
        try:
            self._transport.write(frame)
            return await future
        finally:
            timer.cancel()

    def kill(self) -> None:
        """End the process at once. Once is enough, and twice would take its status from asyncio, which waits for it."""
        if self._process is not None and self._process.returncode is None and not self._killed:
            self._killed = True
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Close the connection, which ends the worker; kill it where that does not help. Waits until it is gone."""
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), _CLOSE_S)
            except TimeoutError:
                self.kill()
                await self._process.wait()
        self._lost()

    async def reap(self) -> int | None:
        """Wait for a worker whose connection is gone and return its exit status (negative: a signal).

        One that died needs no signal, and one that lives on without a connection gets it.
        """
        if self._process is None:
            return None
        try:
            return await asyncio.wait_for(self._process.wait(), _DIE_S)
        except TimeoutError:
            self.kill()
            return await self._process.wait()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The worker's end is connected."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Replies have arrived; anything that is none ends the worker."""
        self._heard_at = self._loop.time()
        try:
            for content in self._frames.feed(data):
                self._take(decode_reply(content))
        except UpstreamFailed as error:
            self.last_words = error.message
            self.kill()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reason is in the exit status
        """The worker is gone: whoever waits is told at once."""
        self._lost()

    def _take(self, reply: Reply) -> None:
        if isinstance(reply, Failed) and reply.number == 0:
            self.last_words = reply.message
            return
        owed = self._owed.pop(reply.number, None)
        if owed is None:
            raise UpstreamFailed("a worker answered what nobody asked", code="owned_unreadable")
        self.pending_bytes -= owed.n_bytes
        if isinstance(reply, Answered | Loaded):
            self._loaded.add(owed.student_id)
        if not owed.future.done():
            owed.future.set_result(reply)

    def _lost(self) -> None:
        self.gone.set()
        if self._watchdog is not None:
            self._watchdog.cancel()
        for owed in self._owed.values():
            if not owed.future.done():
                owed.future.set_exception(unavailable(self.last_words))
        self._owed.clear()
        self.pending_bytes = 0

    def _watch(self) -> None:
        """Look again whenever the worker could have been silent for too long; stop looking once it owes nothing."""
        if not self._owed or self.gone.is_set():
            self._watchdog = None
            return
        loading = any(owed.student_id not in self._loaded for owed in self._owed.values())
        left = self._heard_at + (self._patience.load_s if loading else self._patience.answer_s) - self._loop.time()
        if left <= 0:
            self.last_words = "it hung and was ended"
            self.kill()
            return
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._watchdog = self._loop.call_later(left, self._watch)


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the environment a worker gets: enough to run Python, and no provider's key."""
    return {k: v for k, v in environ.items() if k in _INHERITED or k.startswith(_INHERITED_PREFIXES)}


def unavailable(why: str) -> MissingPrerequisite:
    """The error for an owned model whose worker is not there."""
    message = "the owned model's worker is not running" + (f": {why}" if why else "")
    return MissingPrerequisite(message, hint="freehold doctor", code="owned_unavailable")


def failure(reply: Failed) -> FreeholdError:
    """The error that a worker reported, as the error it is."""
    kind = getattr(errors, reply.error, None)
    if not (isinstance(kind, type) and issubclass(kind, FreeholdError)):
        kind = UpstreamFailed
    return kind(reply.message, hint=reply.hint, code=reply.code)


def _give_up(future: asyncio.Future[Reply], timeout_s: float) -> None:
    if not future.done():
        future.set_exception(
            UpstreamTimeout(f"the owned model did not answer within {timeout_s:g} s", code="owned_timeout")
        )
