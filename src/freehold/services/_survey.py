"""Looking through a ledger: every call sorted among the known tasks, sealed ones once and for all.

Segments are looked through one by one, by several processes where there is much to do, each in constant memory. What
they find is kept by the ledger, so that the next look takes in what is new alone; where tasks have gained templates,
calls that fitted none are looked at again.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from heapq import heappush, heapreplace
from pathlib import Path
from zlib import crc32

import msgspec

from freehold.ledger import Ledger
from freehold.ledger.recognised import Counted, Looked, Mark, Pending, Recognised, most_of
from freehold.tasks.sorting import Sorted, Sorter, key_of
from freehold.tasks.stated import has_body
from freehold.vocabulary import Call, Task

from ._processes import Processes
from .home import Progress, silent

_DAY_US = 86_400_000_000
_SHARED_OUT_FROM = 60_000
_KEPT_TOGETHER = 8

CountKey = tuple[str, str, str, str, str, int]


class Gathering:
    """Counts, and an even sample of each kind, gathered call by call in constant memory."""

    def __init__(self) -> None:
        self._counts: dict[CountKey, list[int]] = {}
        self._heaps: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)

    def add(self, call_id: str, declared: str, model: str, at_us: int, row: int, found: Sorted) -> None:
        """Count a call; `row` is where to find it again."""
        task = found.kind[1:] if found.how == "stated" and found.kind else found.task
        key = (declared, task, found.template, found.how, model, at_us // _DAY_US)
        held = self._counts.get(key)
        if held is None:
            self._counts[key] = [1, at_us, at_us]
        else:
            held[0] += 1
            held[1] = min(held[1], at_us)
            held[2] = max(held[2], at_us)
        if found.kind:
            heap = self._heaps[found.kind]
            rank = crc32(call_id.encode())
            if len(heap) < most_of(found.kind):
                heappush(heap, (-rank, -row))
            elif -rank > heap[0][0]:
                heapreplace(heap, (-rank, -row))

    @property
    def counts(self) -> list[Counted]:
        """What was counted."""
        return [Counted(*key, *held) for key, held in self._counts.items()]

    @property
    def samples(self) -> dict[str, list[tuple[int, int]]]:
        """By kind, the lowest ranks with their rows, ascending."""
        return {kind: sorted((-rank, -row) for rank, row in heap) for kind, heap in self._heaps.items()}


class Surveyed(msgspec.Struct):
    """How every call was sorted. `unsealed` are the counts of those that no segment holds; `calls` counts all."""

    calls: int
    sealed: list[Counted]
    unsealed: list[Counted]

    @property
    def counts(self) -> list[Counted]:
        """All counts."""
        return [*self.sealed, *self.unsealed]

    @property
    def unknown(self) -> int:
        """Calls that fit no template and whose form could still be found."""
        return sum(one.calls for one in self.counts if not one.template and one.how != "stated")


def survey(ledger: Ledger, tasks: Sequence[Task], *, workers: int = 0, say: Progress = silent) -> Surveyed:
    """Sort every call of a ledger among tasks.

    Args:
        ledger: its marks are brought up to date.
        tasks: the tasks to know.
        workers: processes that share the work; 0: one per core, where there is enough to share.
        say: told how far it is.
    """
    store = ledger.recognised
    key = key_of(tasks)
    pending = store.pending(key)
    total = sum(one.rows for one in pending)
    done = 0
    waiting: list[Looked] = []
    for looked in _looked(ledger.home, store, tasks, pending, workers or (os.cpu_count() or 1)):
        waiting.append(looked)
        done += looked.rows
        if len(waiting) >= _KEPT_TOGETHER:
            store.keep(key, waiting)
            waiting = []
        say(f"looking through the calls: {done:,} of {total:,}")
    if waiting:
        store.keep(key, waiting)
    store.tidy()
    hot, n_hot = _unsealed(store, tasks)
    sealed = store.counts()
    return Surveyed(sum(one.calls for one in sealed) + n_hot, sealed, hot)


def _looked(
    home: Path, store: Recognised, tasks: Sequence[Task], pending: Sequence[Pending], workers: int
) -> Iterator[Looked]:
    workers = min(workers, len(pending))
    if workers < 2 or sum(one.rows for one in pending) < _SHARED_OUT_FROM:
        sorter = Sorter(tasks)
        yield from (_look(store, sorter, one) for one in pending)
        return
    packed = msgspec.msgpack.encode(list(tasks))
    with Processes(workers, _begin, (home, packed)) as pool:
        for future in as_completed([pool.submit(_look_here, one) for one in pending]):
            yield future.result()


_here: list[tuple[Recognised, Sorter]] = []


def _begin(home: Path, packed: bytes) -> None:
    _here[:] = [(Ledger(home).recognised, Sorter(msgspec.msgpack.decode(packed, type=list[Task])))]


def _look_here(pending: Pending) -> Looked:
    return _look(*_here[0], pending)


def _look(store: Recognised, sorter: Sorter, pending: Pending) -> Looked:
    """Look through one segment and write its marks."""
    found = Gathering()
    marks = store.marks(pending.segment) if pending.again else {}
    known = dict(marks)
    for row, call_id, at_us, model, spoken, declared, template, key, tags, request, before in store.asked(pending):
        sorted_ = sorter.sort(request, spoken, template or before.template, tags, model, key)
        if before.how and not has_body(request) and sorted_.how != "template":
            sorted_ = Sorted(before.task, before.template, before.how, "")  # its content is gone, what it was is not
        found.add(call_id, declared, model, at_us, row, sorted_)
        if sorted_.how:
            task = sorted_.kind[1:] if sorted_.how == "stated" and sorted_.kind else sorted_.task
            marks[row] = Mark(task, sorted_.template, sorted_.how)
        else:
            marks.pop(row, None)
    if not pending.again or marks != known:
        store.write(pending.segment, pending.rows, marks)
    return Looked(pending.segment, pending.rows, pending.again, *pending.span, found.counts, found.samples)


def _unsealed(store: Recognised, tasks: Sequence[Task]) -> tuple[list[Counted], int]:
    sorter = Sorter(tasks)
    found = Gathering()
    n = 0
    for n, (call, sorted_) in enumerate(sorted_calls(sorter, store.unsealed()), 1):
        found.add(call.id, call.task, call.model, call.started_at_us, n, sorted_)
    return found.counts, n


def sorted_calls(sorter: Sorter, calls: Iterable[Call]) -> Iterator[tuple[Call, Sorted]]:
    """Whole calls with what they are."""
    encode = msgspec.json.encode
    for call in calls:
        tags = encode(call.tags).decode() if call.tags else "{}"
        yield call, sorter.sort(call.request, call.dialect, call.template, tags, call.model, call.key)


class Sums(msgspec.Struct):
    """What counts come to under the tasks as persons see them today.

    `by_task` counts calls by task id; `by_template` by template; `seen` is the first and last time of each template;
    `models` counts by task and model.
    """

    by_task: Counter[str] = msgspec.field(default_factory=Counter[str])
    by_template: Counter[str] = msgspec.field(default_factory=Counter[str])
    seen: dict[str, tuple[int, int]] = {}
    models: dict[str, Counter[str]] = {}
    stated: Counter[str] = msgspec.field(default_factory=Counter[str])


def summed(counts: Iterable[Counted], tasks: Sequence[Task], known_as: dict[str, str]) -> Sums:
    """Add counts up by task: the task that callers declared, else the template's, else the one that was near.

    Args:
        counts: of `survey`.
        tasks: the tasks as persons see them.
        known_as: what each id and name stands for (`Registry.known_as`).
    """
    owner = {template.id: task.id for task in tasks for template in task.templates}
    groups = {task.stated: task.id for task in tasks if task.stated}
    found = Sums()
    for one in counts:
        if one.how == "stated":
            found.stated[one.task] += one.calls
        near = groups.get(one.task) if one.how == "stated" else known_as.get(one.task)
        task_id = known_as.get(one.declared) if one.declared else None
        task_id = task_id or owner.get(one.template) or near
        if one.template:
            found.by_template[one.template] += one.calls
            first, last = found.seen.get(one.template, (one.first_us, one.last_us))
            found.seen[one.template] = (min(first, one.first_us), max(last, one.last_us))
        if task_id:
            found.by_task[task_id] += one.calls
            found.models.setdefault(task_id, Counter())[one.model] += one.calls
    return found
