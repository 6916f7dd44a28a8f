"""The gateway's client of the workers that run owned models.

Never blocks the loop and never makes a caller wait for a repair: while a worker is down, questions fail at once, and
the gateway rents the answer. Does not know routes, thresholds or what an answer is used for.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, Self

from freehold.errors import FreeholdError, MissingPrerequisite
from freehold.vocabulary import Answer

from ._frames import Answered, Ask, Failed, Load
from ._link import Link, Patience, failure, unavailable

DEFAULT_LOADER: Final = "freehold.students.runtime:load"
_FIRST_DELAY_S, _LONGEST_DELAY_S, _HEALTHY_S = 0.1, 30.0, 30.0
_REFUSAL_S: Final = 5.0
_MAX_WANTED: Final = 32


class WorkerHealth(NamedTuple):
    """How one worker is: its process, whether it takes questions, how often it was started again, what it owes."""

    pid: int | None
    up: bool
    n_restarts: int
    n_owed: int
    last_words: str


class StudentHost:
    """Worker processes that answer for owned models. Belongs to one running event loop.

    Args:
        home: where relative bundle paths start, and whose signing keys are trusted.
        workers: how many processes; each loads the students it is asked for.
        loader: `module:function` that makes a student from a verified bundle's folder.
        env: variables for the workers beside the few they inherit (no key of a provider is among these).
        max_in_flight: beyond this many unanswered questions, further ones are refused at once.
        max_in_flight_bytes: the same for their size.
        hang_s: a worker that owes answers and says nothing for this long is ended and started again.
        load_timeout_s: the same while it loads a student.
    """

    def __init__(
        self,
        home: Path,
        *,
        workers: int = 1,
        loader: str = DEFAULT_LOADER,
        env: Mapping[str, str] | None = None,
        max_in_flight: int = 4096,
        max_in_flight_bytes: int = 64 * 1024**2,
        hang_s: float = 10.0,
        load_timeout_s: float = 60.0,
    ) -> None:
        self._workers = [
            _Worker(home.absolute(), loader, dict(env or {}), Patience(hang_s, load_timeout_s)) for _ in range(workers)
        ]
        self._load_timeout_s = load_timeout_s
        self._max_in_flight = max_in_flight
        self._max_in_flight_bytes = max_in_flight_bytes
        self._numbers = itertools.count(1)
        self._refused: dict[tuple[str, str], tuple[FreeholdError, float]] = {}

    async def start(self) -> None:
        """Start the workers and return when each is connected or has failed to start. Asking does this as well."""
        await asyncio.gather(*(worker.started() for worker in self._workers))

    async def load(self, student_id: str, bundle: str) -> None:
        """Have every worker verify and load a student now, and again whenever it is started anew.

        Raises:
            BundleRefused: the bundle is changed, unsigned, not trusted, or cannot be loaded.
            MissingPrerequisite: no worker is running.
            UpstreamTimeout: loading took longer than `load_timeout_s`.
        """
        await self.start()
        up = [worker for worker in self._workers if worker.link is not None and worker.link.up]
        if not up:
            raise unavailable(self._workers[0].last_words if self._workers else "")
        self._refused.pop((student_id, bundle), None)
        for worker in self._workers:
            worker.want(student_id, bundle)
        try:
            await asyncio.gather(*(self._load(worker, student_id, bundle) for worker in up))
        except FreeholdError as error:
            if error.error_code.startswith("bundle"):
                for worker in self._workers:
                    worker.wanted.pop(student_id, None)
            raise

    async def answer(self, student_id: str, bundle: str, inputs: tuple[str, ...], timeout_s: float = 1.0) -> Answer:
        """Ask a student. An answer that breaks the bundle's contract comes back with confidence 0.

        Raises:
            MissingPrerequisite: no worker is running and talking (`owned_unavailable`), or too many questions wait
            (`owned_busy`).
            UpstreamTimeout: no answer within `timeout_s`, which includes the time to load the student.
            UpstreamFailed: the student failed on this call.
            BundleRefused: the bundle may not be served; remembered for some seconds, so that it is not read each time.
        """
        self._check_refused(student_id, bundle)
        link = self._least_busy(student_id, timeout_s) or await self._first_start(student_id, timeout_s)
        request = Ask(next(self._numbers), student_id, bundle, inputs)
        reply = await link.ask(request, timeout_s)
        if isinstance(reply, Answered):
            return Answer(reply.text, reply.confidence, reply.scope, reply.model_ms)
        raise self._failure(reply, student_id, bundle)

    def health(self) -> tuple[WorkerHealth, ...]:
        """How each worker is now."""
        return tuple(worker.health() for worker in self._workers)

    async def close(self) -> None:
        """End the workers. Whoever waits for an answer is told that there is none."""
        await asyncio.gather(*(worker.close() for worker in self._workers))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _load(self, worker: _Worker, student_id: str, bundle: str) -> None:
        if worker.link is not None:
            request = Load(next(self._numbers), student_id, bundle)
            reply = await worker.link.ask(request, self._load_timeout_s)
            if isinstance(reply, Failed):
                raise self._failure(reply, student_id, bundle)

    def _least_busy(self, student_id: str, patience_s: float) -> Link | None:
        """The running worker that owes least, of those that have the student loaded; None before the first start.

        One that owes something and has said nothing for as long as this question may take is not asked: it may hang,
        and until that is certain (`hang_s`) every question to it would cost its caller the whole wait.

        Raises:
            MissingPrerequisite: all are down, silent, or busy up to the limit.
        """
        running = [worker.link for worker in self._workers if worker.link is not None and worker.link.up]
        if not running:
            if any(worker.was_started for worker in self._workers):
                raise unavailable(self._workers[0].last_words)
            return None
        links = [link for link in running if link.silent_s < patience_s]
        if not links:
            raise unavailable(f"it has said nothing for {min(link.silent_s for link in running):.1f} s")
        n_owed = sum(link.n_owed for link in links)
        n_bytes = sum(link.pending_bytes for link in links)
        if n_owed >= self._max_in_flight or n_bytes >= self._max_in_flight_bytes:
            raise MissingPrerequisite(f"{n_owed} questions to owned models wait already", code="owned_busy")
        return min(links, key=lambda link: (not link.has(student_id), link.n_owed))

    async def _first_start(self, student_id: str, patience_s: float) -> Link:
        await self.start()
        link = self._least_busy(student_id, patience_s)
        if link is None:
            raise unavailable("it was closed")
        return link

    def _check_refused(self, student_id: str, bundle: str) -> None:
        refused = self._refused.get((student_id, bundle))
        if refused is not None:
            error, until = refused
            if asyncio.get_running_loop().time() < until:
                raise type(error)(error.message, hint=error.hint, code=error.error_code)
            del self._refused[student_id, bundle]

    def _failure(self, reply: object, student_id: str, bundle: str) -> FreeholdError:
        if not isinstance(reply, Failed):
            return unavailable("it answered something else")
        error = failure(reply)
        if reply.about_student:
            self._refused[student_id, bundle] = (error, asyncio.get_running_loop().time() + _REFUSAL_S)
        return error


class _Worker:
    """One worker over all its lives: started, watched, started again with growing delay."""

    def __init__(self, home: Path, loader: str, env: Mapping[str, str], patience: Patience) -> None:
        self._home, self._loader, self._env, self._patience = home, loader, env, patience
        self._task: asyncio.Task[None] | None = None
        self._first = asyncio.Event()
        self._closing = asyncio.Event()
        self._n_starts = 0
        self.link: Link | None = None
        self.wanted: dict[str, str] = {}
        self.last_words = ""

    @property
    def was_started(self) -> bool:
        return self._first.is_set()

    async def started(self) -> None:
        """Begin the first life, if it has not begun, and wait until it is connected or has failed."""
        if self._task is None and not self._closing.is_set():
            self._task = asyncio.create_task(self._live())
        if self._task is not None:
            await self._first.wait()

    def want(self, student_id: str, bundle: str) -> None:
        """Remember a student to be loaded in every life; only the last `_MAX_WANTED` are."""
        self.wanted.pop(student_id, None)
        self.wanted[student_id] = bundle
        while len(self.wanted) > _MAX_WANTED:
            del self.wanted[next(iter(self.wanted))]

    def health(self) -> WorkerHealth:
        link = self.link
        up = link is not None and link.up
        restarts = max(self._n_starts - 1, 0)
        return WorkerHealth(
            link.pid if link and up else None, up, restarts, link.n_owed if link else 0, self.last_words
        )

    async def close(self) -> None:
        self._closing.set()
        if self.link is not None:
            await self.link.close()
        if self._task is not None:
            await self._task

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        delay = _FIRST_DELAY_S
        while not self._closing.is_set():
            began = loop.time()
            await self._one_life()
            if loop.time() - began > _HEALTHY_S:
                delay = _FIRST_DELAY_S
            try:
                await asyncio.wait_for(self._closing.wait(), delay)
            except TimeoutError:
                delay = min(delay * 2, _LONGEST_DELAY_S)

    async def _one_life(self) -> None:
        self._n_starts += 1
        link = Link(self._patience)
        try:
            await link.start(self._home, self._loader, self._env)
        except OSError as error:
            self.last_words = f"it cannot be started: {error.strerror}"
            self._first.set()
            return
        self.link = link
        if self._closing.is_set():
            await link.close()
        preloads = [
            asyncio.create_task(link.ask(Load(-number, student_id, bundle), self._patience.load_s))
            for number, (student_id, bundle) in enumerate(self.wanted.items(), start=1)
        ]
        self._first.set()
        await link.gone.wait()
        status = await link.reap()
        await asyncio.gather(*preloads, return_exceptions=True)
        self.last_words = link.last_words or f"it ended with status {status}"
