"""Finding the recurring tasks, and listing them with what is known of each."""

from __future__ import annotations

from collections import Counter

import msgspec

from freehold.tasks import discovery
from freehold.vocabulary import Task, TaskKind

from .contracting import Answers
from .home import Home

_FRESH = "discovered.json"


class TaskRow(msgspec.Struct, frozen=True):
    """One task for a list. `share` is of all calls seen; `stage` says who answers it now."""

    id: str
    name: str
    kind: TaskKind
    calls: int
    share: float
    versions: int
    stage: str
    tags: tuple[str, ...]
    confidence: float
    why: str


class TaskListing(msgspec.Struct, frozen=True):
    """Every task, largest first. `unrecognised` calls recur in none of them."""

    calls: int
    unrecognised: int
    tasks: tuple[TaskRow, ...]


class _Seen(msgspec.Struct):
    """What the last discovery had seen, so that listing again need not look again."""

    calls: int
    by_task: dict[str, int]


def find_tasks(home: Home) -> tuple[Task, ...]:
    """Look for recurring tasks in every call, and learn their contracts; persons' names and edits stay."""
    found = discovery.discover(home.calls(), previous=home.registry.tasks())
    tasks = home.registry.save_discovered(found.tasks)
    answers = {task.id: Answers(task) for task in tasks}
    counts: Counter[str] = Counter()
    total = 0
    for call, match in home.recognised():
        total += 1
        if match is not None:
            counts[match.task_id] += 1
            answers[match.task_id].add(call, match)
    for task_id, seen in answers.items():
        contract = seen.learn()
        if contract is not None:
            home.registry.save_contract(task_id, contract)
    _remember(home, _Seen(total, dict(counts)))
    return tasks


def list_tasks(home: Home, *, refresh: bool = False) -> TaskListing:
    """The tasks, found anew where calls have come since the last time."""
    seen = _recall(home)
    if refresh or seen is None or seen.calls != home.count():
        find_tasks(home)
        seen = _recall(home) or _Seen(0, {})
    rows = [_row(home, task, seen) for task in home.registry.tasks()]
    rows.sort(key=lambda row: (-row.calls, row.name))
    return TaskListing(seen.calls, seen.calls - sum(row.calls for row in rows), tuple(rows))


def _row(home: Home, task: Task, seen: _Seen) -> TaskRow:
    calls = seen.by_task.get(task.id, 0)
    return TaskRow(
        id=task.id,
        name=task.name,
        kind=task.kind,
        calls=calls,
        share=calls / seen.calls if seen.calls else 0.0,
        versions=len(task.templates),
        stage=home.registry.stage(task.id).stage,
        tags=task.tags,
        confidence=task.confidence,
        why=task.why,
    )


def _recall(home: Home) -> _Seen | None:
    try:
        return msgspec.json.decode((home.path / _FRESH).read_bytes(), type=_Seen)
    except (OSError, msgspec.DecodeError):
        return None


def _remember(home: Home, seen: _Seen) -> None:
    (home.path / _FRESH).write_bytes(msgspec.json.encode(seen))
