"""The owned models that routes name: loaded ahead of the calls, asked within a time limit.

A gateway that starts does not wait for them: whoever asks one that is still being loaded does.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from freehold.errors import FreeholdError, MissingPrerequisite
from freehold.vocabulary import Answer, Route, RouteTable

_RETRY_S = 5.0
_ASKED = frozenset({"shadow", "canary", "full"})


class StudentHost(Protocol):
    """Who runs owned models (`freehold.serving.StudentHost`)."""

    async def load(self, student_id: str, bundle: str) -> None:
        """Have a student verified and loaded now. Raises a `FreeholdError` where it cannot be."""
        ...

    async def answer(self, student_id: str, bundle: str, inputs: tuple[str, ...], timeout_s: float = 1.0) -> Answer:
        """The student's answer."""
        ...

    async def close(self) -> None:
        """End the workers."""
        ...


class OwnedModels:
    """Which students can be asked. A student that is not loaded yet costs no call any time: the call is rented.

    Those that are loaded as the gateway starts count as there meanwhile (`await_loading`), so that no call is rented,
    or refused, that would have been answered had the gateway begun to listen a moment later.

    Args:
        host: who runs them, or None where everything is rented.
        timeout_s: how long an answer may take.
    """

    def __init__(self, host: StudentHost | None, timeout_s: float) -> None:
        self._host = host
        self._timeout_s = timeout_s
        self._loaded: set[tuple[str, str]] = set()
        self._loading: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._retry_at: dict[tuple[str, str], float] = {}
        self._awaited: set[tuple[str, str]] = set()
        self._until = 0.0
        self.faults: dict[str, str] = {}

    def can_ask(self, route: Route) -> bool:
        """Whether the route's student is there: loaded, or about to be as the gateway starts."""
        key = route.student_id, route.bundle
        return key in self._loaded or (key in self._awaited and key in self._loading)

    def await_loading(self, timeout_s: float) -> None:
        """Count those that are being loaded now as there; who asks one waits for it, until so many seconds from now."""
        loop = asyncio.get_running_loop()
        self._awaited = set(self._loading)
        self._until = loop.time() + timeout_s
        if self._awaited:
            loop.call_later(timeout_s, self._awaited.clear)

    def refresh(self, table: RouteTable) -> None:
        """Begin to load the students that a table needs and that are not loaded; failed ones again after a while."""
        if self._host is None:
            return
        loop = asyncio.get_running_loop()
        wanted = {(r.student_id, r.bundle) for r in table.routes if r.student_id and r.stage in _ASKED}
        self._loaded &= wanted
        for key in wanted - self._loaded - self._loading.keys():
            if loop.time() >= self._retry_at.get(key, 0.0):
                self._loading[key] = loop.create_task(self._load(*key))

    async def settled(self, timeout_s: float) -> None:
        """Wait until everything that is being loaded is loaded or has failed, at most so long."""
        if self._loading:
            await asyncio.wait(tuple(self._loading.values()), timeout=timeout_s)

    async def ask(self, route: Route, inputs: tuple[str, ...]) -> Answer:
        """Ask the route's student.

        Raises:
            TimeoutError: it took too long.
            FreeholdError: it could not answer, or could not be loaded.
        """
        assert self._host is not None
        loading = self._loading.get((route.student_id, route.bundle))
        if loading is not None:
            await asyncio.wait((loading,), timeout=self._until - asyncio.get_running_loop().time())
            if (route.student_id, route.bundle) not in self._loaded:
                raise MissingPrerequisite(
                    "the owned model is not loaded", hint="freehold doctor", code="owned_unavailable"
                )
        # The host keeps the limit itself; the outer one holds where the host does not.
        async with asyncio.timeout(self._timeout_s * 1.2):
            return await self._host.answer(route.student_id, route.bundle, inputs, timeout_s=self._timeout_s)

    async def close(self) -> None:
        """End the workers."""
        for task in tuple(self._loading.values()):
            task.cancel()
        if self._host is not None:
            await self._host.close()

    async def _load(self, student_id: str, bundle: str) -> None:
        assert self._host is not None
        key = (student_id, bundle)
        try:
            await self._host.load(student_id, bundle)
        except Exception as error:  # noqa: BLE001 -- a student that cannot be loaded is not asked; calls are rented
            self.faults[student_id] = error.message if isinstance(error, FreeholdError) else type(error).__name__
            self._retry_at[key] = asyncio.get_running_loop().time() + _RETRY_S
        else:
            self.faults.pop(student_id, None)
            self._loaded.add(key)
        finally:
            del self._loading[key]
            self._awaited.discard(key)
