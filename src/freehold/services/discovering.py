"""Finding the recurring tasks, and listing them with what is known of each."""

from __future__ import annotations

from collections import Counter

import msgspec

from freehold.tasks import discovery
from freehold.vocabulary import Task, TaskKind, Template

from .contracting import Answers
from .home import Home

_FRESH = "discovered.json"
_CONTEXT_CHARS = 16
_TEXT_CHARS = 64


class TaskRow(msgspec.Struct, frozen=True):
    """One task for a list. `share` is of all calls seen; `stage` says who answers it now.

    `version_ids` name the versions of its prompt, as `freehold task split` wants them. `paused`: its owned answers are
    stopped, by themselves or with all others; the stage stays what it is.
    """

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
    version_ids: tuple[str, ...] = ()
    paused: bool = False


class VersionRow(msgspec.Struct, frozen=True):
    """One version of a task's prompt. `calls` had it when it was found; `text` is where its constant text departs."""

    task: str
    id: str
    calls: int
    text: str


class TaskListing(msgspec.Struct, frozen=True):
    """Every task, largest first. `unrecognised` calls recur in none of them. `paused`: all owned answers are."""

    calls: int
    unrecognised: int
    tasks: tuple[TaskRow, ...]
    paused: bool = False


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
    paused = {one.task_id for one in home.registry.pauses()}
    rows = [_row(home, task, seen, paused) for task in home.registry.tasks()]
    rows.sort(key=lambda row: (-row.calls, row.name))
    unrecognised = seen.calls - sum(row.calls for row in rows)
    return TaskListing(seen.calls, unrecognised, tuple(rows), "" in paused)


def versions(home: Home) -> list[VersionRow]:
    """Every version of every task's prompt, with what tells it from the task's others."""
    rows: list[VersionRow] = []
    for task in home.registry.tasks():
        texts = [_constant_text(template) for template in task.templates]
        same = _common_chars(texts) if len(texts) > 1 else 0
        for template, text in zip(task.templates, texts, strict=True):
            begins = max(0, same - _CONTEXT_CHARS)
            shown = f"{'...' if begins else ''}{text[begins : begins + _TEXT_CHARS]}"
            rows.append(VersionRow(task.name, template.id, template.n_calls, shown))
    return rows


def forget(home: Home) -> None:
    """Let the next listing look again: what was counted is no longer how the calls are divided."""
    (home.path / _FRESH).unlink(missing_ok=True)


def _common_chars(texts: list[str]) -> int:
    """How many characters the beginnings of all texts share."""
    pairs = zip(*texts, strict=False)
    return next((n for n, chars in enumerate(pairs) if len(set(chars)) > 1), min(map(len, texts)))


def _constant_text(template: Template) -> str:
    literals = (piece for message in template.messages for piece in message.pieces if isinstance(piece, str))
    return " ".join(" ".join(literals).split())


def _row(home: Home, task: Task, seen: _Seen, paused: set[str]) -> TaskRow:
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
        version_ids=tuple(template.id for template in task.templates),
        paused=not paused.isdisjoint({"", task.id}),
    )


def _recall(home: Home) -> _Seen | None:
    try:
        return msgspec.json.decode((home.path / _FRESH).read_bytes(), type=_Seen)
    except (OSError, msgspec.DecodeError):
        return None


def _remember(home: Home, seen: _Seen) -> None:
    (home.path / _FRESH).write_bytes(msgspec.json.encode(seen))
