"""Names for tasks."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from freehold.vocabulary import Task, TaskKind, Template

from ._answers import Parsed


def name_task(templates: Sequence[Template], answers: Sequence[Parsed], kind: TaskKind) -> str:
    """Name a task."""
    return kind


def unique_names(tasks: Sequence[Task]) -> list[Task]:
    """Make names unique."""
    used: set[str] = set()
    found: list[Task] = []
    for task in tasks:
        name, n = task.name, 1
        while name in used:
            n += 1
            name = f"{task.name}_{n}"
        used.add(name)
        found.append(task if name == task.name else msgspec.structs.replace(task, name=name))
    return found
