"""What was ever declared restricted: pure functions.

It is kept in `control.db`, so that a command that does not find the settings lifts nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from freehold.settings import Settings
from freehold.vocabulary import Task

from ._decisions import Effective
from .names import folded


class Remembered(msgspec.Struct, frozen=True, omit_defaults=True):
    """Names as they were declared, and the ids of the tasks and templates that were restricted under them."""

    names: tuple[str, ...] = ()
    task_ids: tuple[str, ...] = ()
    template_ids: tuple[str, ...] = ()


def holds(memory: Remembered, task: Task, aliases: Iterable[str]) -> bool:
    """Whether a task was restricted: by its id, by a template it has now, or by a name it has or had."""
    if task.id in memory.task_ids or not set(map(folded, memory.names)).isdisjoint(map(folded, aliases)):
        return True
    return not {template.id for template in task.templates}.isdisjoint(memory.template_ids)


def closed(memory: Remembered, task: Task) -> Remembered:
    """The memory with a task as one that is restricted, by its name, its id and its prompts."""
    return Remembered(
        tuple(sorted({*memory.names, task.name})),
        tuple(sorted({*memory.task_ids, task.id})),
        tuple(sorted({*memory.template_ids, *(template.id for template in task.templates)})),
    )


def after(memory: Remembered, effective: Effective, settings: Settings, ordinary: Collection[str]) -> Remembered:
    """The memory after these settings were seen.

    `ordinary`: the names that are declared ordinary in so many words. They alone lift a restriction, and only where no
    other name of the task is declared restricted.
    """
    restricted = {folded(name) for name, one in settings.tasks.items() if one.data_class == "restricted"}
    lifting = set(map(folded, ordinary)) - restricted
    names = {folded(name): name for name in memory.names}
    names |= {folded(name): name for name in settings.tasks if folded(name) in restricted}
    gone = set(lifting)
    task_ids, template_ids = set(memory.task_ids), set(memory.template_ids)
    for task in effective.tasks:
        aliases = set(map(folded, effective.aliases[task.id]))
        if not aliases.isdisjoint(lifting) and aliases.isdisjoint(restricted):
            gone |= aliases
            task_ids.discard(task.id)
            template_ids -= {template.id for template in task.templates}
    kept = Remembered(tuple(sorted(name for key, name in names.items() if key not in gone)))
    kept = msgspec.structs.replace(kept, task_ids=tuple(sorted(task_ids)), template_ids=tuple(sorted(template_ids)))
    held = [task for task in effective.tasks if holds(kept, task, effective.aliases[task.id])]
    return msgspec.structs.replace(
        kept,
        task_ids=tuple(sorted(task_ids | {task.id for task in held})),
        template_ids=tuple(sorted(template_ids | {template.id for task in held for template in task.templates})),
    )
