"""What persons decide about tasks (rename, merge, split, tag), as pure functions that outlive the next discovery.

A decision names tasks by id and templates by id, both stable; applied to the tasks of a later run it does the same
again. A decision about a task that is gone does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from freehold.errors import UsageError
from freehold.vocabulary import Task

from .naming import snake


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """One decision of a person.

    `rename`: `task_id` is called `name` from now on. `merge`: the tasks `others` are part of `task_id`. `split`: the
    templates `templates` of `task_id` are a task of their own, called `name`. `tag`: `task_id` carries exactly `tags`.
    """

    action: Literal["rename", "merge", "split", "tag"]
    task_id: str
    name: str = ""
    others: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


def apply(tasks: Sequence[Task], decisions: Sequence[Decision]) -> tuple[Task, ...]:
    """The tasks as persons have decided, largest first.

    Args:
        tasks: tasks as discovered (or as decided before: applying twice changes nothing).
        decisions: in the order they were made.

    Raises:
        UsageError: a decision would give a second task a name that is taken, or an empty name.
    """
    by_id = {task.id: task for task in tasks}
    for decision in decisions:
        if decision.task_id in by_id:
            _APPLY[decision.action](by_id, decision)
    return tuple(sorted(by_id.values(), key=lambda task: (-task.n_calls, task.id)))


def _rename(by_id: dict[str, Task], decision: Decision) -> None:
    name = _free(by_id, decision.name, decision.task_id)
    by_id[decision.task_id] = msgspec.structs.replace(by_id[decision.task_id], name=name, named_by="person")


def _merge(by_id: dict[str, Task], decision: Decision) -> None:
    into = by_id[decision.task_id]
    parts = [by_id.pop(other) for other in decision.others if other in by_id and other != into.id]
    templates = {template.id: template for task in (into, *parts) for template in task.templates}
    by_id[into.id] = msgspec.structs.replace(
        into,
        templates=tuple(templates.values()),
        n_calls=sum(task.n_calls for task in (into, *parts)),
        tags=tuple(dict.fromkeys(tag for task in (into, *parts) for tag in task.tags)),
        kind=into.kind if all(part.kind == into.kind for part in parts) else "unknown",
    )


def _split(by_id: dict[str, Task], decision: Decision) -> None:
    whole = by_id[decision.task_id]
    taken = tuple(template for template in whole.templates if template.id in decision.templates)
    rest = tuple(template for template in whole.templates if template.id not in decision.templates)
    if not taken or not rest:
        return
    new_id = f"{whole.id}-{min(decision.templates)[1:]}"
    moved = sum(template.n_calls for template in taken)
    name = _free(by_id, decision.name or f"{whole.name}_split", new_id)
    by_id[whole.id] = msgspec.structs.replace(whole, templates=rest, n_calls=max(0, whole.n_calls - moved))
    by_id[new_id] = msgspec.structs.replace(
        whole, id=new_id, name=name, templates=taken, n_calls=moved, named_by="person" if decision.name else "discovery"
    )


def _tag(by_id: dict[str, Task], decision: Decision) -> None:
    by_id[decision.task_id] = msgspec.structs.replace(by_id[decision.task_id], tags=decision.tags)


_APPLY = {"rename": _rename, "merge": _merge, "split": _split, "tag": _tag}


def _free(by_id: dict[str, Task], name: str, task_id: str) -> str:
    """The name as it will be kept. A discovered task that has it by chance gives way; a person's does not."""
    wanted = snake(name)
    if not wanted:
        raise UsageError("a task's name needs a letter or a digit", hint="use letters, digits and underscores")
    for other in list(by_id.values()):
        if other.name == wanted and other.id != task_id:
            if other.named_by == "person":
                raise UsageError(f"another task is already called {wanted}", hint="choose another name, or merge them")
            by_id[other.id] = msgspec.structs.replace(other, name=f"{wanted}_{other.id[1:5]}")
    return wanted
