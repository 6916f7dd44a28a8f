"""Processes for work that is shared out, which end with whoever waits for them."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Processes(ProcessPoolExecutor):
    """Some new processes; a forked copy of open databases is nobody's friend.

    A terminal sends Ctrl-C to all processes at once. These do not hear it: the one that began them does, and ends them
    when an error, an interruption among them, leaves its `with` block. Use it as a context manager.
    """

    def __init__(self, workers: int, begin: Callable[..., object] | None = None, given: tuple[Any, ...] = ()) -> None:
        super().__init__(workers, multiprocessing.get_context("spawn"), begin, given)
        self._others = set(multiprocessing.active_children())

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Give a process something to do; this is when processes begin."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # what begins now begins so
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if kind is not None:
            for child in set(multiprocessing.active_children()) - self._others:
                child.terminate()
        return super().__exit__(kind, error, trace)
