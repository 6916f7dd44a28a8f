"""Training and certifying many tasks at once, each in a process of its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool

import msgspec

from freehold.errors import FreeholdError
from freehold.settings import Loaded
from freehold.vocabulary import Against, Certificate, Task

from ._processes import Processes
from .certifying import certify
from .home import Home
from .training import TrainingReport, train


class Wanted(msgspec.Struct, frozen=True):
    """What to ask of a task's student. None: what the settings say."""

    task_id: str
    against: Against | None = None
    alpha: float | None = None
    delta: float | None = None


class Owned(msgspec.Struct, frozen=True):
    """What owning a task came to: its training, its certificate, or why there is neither."""

    task_id: str
    training: TrainingReport | None = None
    certificate: Certificate | None = None
    why_not: str = ""


def own_all(home: Home, wanted: Sequence[Wanted], *, each: Callable[[Owned], None] | None = None) -> dict[str, Owned]:
    """Train and certify the tasks, as many at a time as there are cores; `each` is told of one when it is done.

    A task that cannot be owned is not an error here: `why_not` says what is missing.
    """
    results: dict[str, Owned] = {}
    for owned in _run(home, wanted):
        results[owned.task_id] = owned
        if each is not None:
            each(owned)
    return results


def _run(home: Home, wanted: Sequence[Wanted]) -> Iterator[Owned]:
    workers = min(len(wanted), os.cpu_count() or 1)
    loaded = Loaded(home.settings, home.path, {})
    if workers <= 1:
        for one in wanted:
            yield _own(loaded, home.until_us, one)
        return
    left = {one.task_id: one for one in wanted}
    with Processes(workers) as pool, contextlib.suppress(BrokenProcessPool):
        futures = [pool.submit(_own, loaded, home.until_us, one) for one in wanted]
        for future in as_completed(futures):
            owned = future.result()
            del left[owned.task_id]
            yield owned
    # A process that is ended from outside takes all others of its pool with it, and nobody can tell which one it was.
    for one in left.values():
        with Processes(1) as pool:
            try:
                yield pool.submit(_own, loaded, home.until_us, one).result()
            except BrokenProcessPool:
                yield Owned(
                    one.task_id, why_not="its training was ended from outside: the machine was short of memory?"
                )


def _own(loaded: Loaded, until_us: int | None, wanted: Wanted) -> Owned:
    with Home(loaded, until_us=until_us) as home:
        task = home.task(wanted.task_id)
        try:
            trained = train(home, task)
        except FreeholdError as error:
            return Owned(task.id, why_not=error.message)
        except MemoryError:
            return Owned(task.id, why_not="its training needs more memory than there is")
        promised = certify(home, task, alpha=wanted.alpha, delta=wanted.delta, against=wanted.against or "")
        return Owned(task.id, trained, promised)


def largest_first(tasks: Sequence[Task]) -> list[Task]:
    """Tasks in the order in which to train them, so that the longest work does not come last."""
    return sorted(tasks, key=lambda task: (-task.n_calls, task.id))
