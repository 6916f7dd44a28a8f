"""What discovery finds, seen through what persons decided: pure functions over tasks.

A person's rename, merge, split or tag is a row that is applied, in order, to whatever discovery says next. Templates
are what ties one discovery to the next, because a template's id is a digest of its content while the ids that
discovery gives to tasks may change from run to run.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from freehold.tasks.naming import unique_names
from freehold.vocabulary import Task, Template


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something a person decided about `task_id`.

    `rename`: to `name`. `tag`: to `tags`. `merge`: `others` become part of it. `split`: `template_ids` leave it and
    become the task `new_id`, called `name`.
    """

    kind: Literal["rename", "tag", "merge", "split"]
    task_id: str
    name: str = ""
    tags: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    template_ids: tuple[str, ...] = ()
    new_id: str = ""


class Effective(NamedTuple):
    """The tasks as persons see them.

    `aliases`: for each task every id and name under which somebody may have declared something about it, nearest
    first; a renamed, merged or split task keeps what was declared under its earlier names.
    """

    tasks: tuple[Task, ...]
    aliases: dict[str, tuple[str, ...]]


def split_id(task_id: str, template_ids: Collection[str]) -> str:
    """The id of a task that is split off: follows from what it is split from, so that it is the same every time."""
    content = "\n".join([task_id, *sorted(template_ids)])
    return f"{task_id}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def apply(found: Iterable[Task], decisions: Iterable[Decision]) -> Effective:
    """Apply persons' decisions, oldest first, to tasks as discovery left them."""
    tasks = {task.id: task for task in found}
    aliases = {task.id: [task.id, task.name] for task in tasks.values()}
    for decision in decisions:
        task = tasks.get(decision.task_id)
        if task is None:
            continue
        if decision.kind == "rename":
            tasks[task.id] = msgspec.structs.replace(task, name=decision.name, named_by="person")
            aliases[task.id].insert(1, decision.name)
        elif decision.kind == "tag":
            tasks[task.id] = msgspec.structs.replace(task, tags=decision.tags)
        elif decision.kind == "merge":
            for other in decision.others:
                if other in tasks and other != task.id:
                    tasks[task.id] = _joined(tasks[task.id], tasks.pop(other))
                    aliases[task.id] += aliases.pop(other)
        else:
            _split(tasks, aliases, task, decision)
    named = unique_names(list(tasks.values()), "{} ({})")
    return Effective(tuple(named), {key: tuple(dict.fromkeys(a)) for key, a in aliases.items()})


def reconcile(stored: Sequence[Task], protected: Collection[str], found: Sequence[Task]) -> list[Task]:
    """Give what discovery found now the ids and names of what it found before.

    A template that belongs to a protected task (one that a person edited, or that has a student) stays with it, and
    that task keeps its templates even where discovery no longer sees them. Other tasks take the id of the stored task
    they share most calls with. Unprotected tasks that are not found again are forgotten.
    """
    by_id = {task.id: task for task in stored}
    owner = {template.id: task.id for task in stored for template in task.templates}
    parts: dict[str, list[Task]] = defaultdict(list)
    taken: set[str] = set()
    for task in sorted(found, key=lambda task: -task.n_calls):
        for task_id, part in _by_owner(task, owner, protected, taken):
            parts[task_id].append(part)
            taken.add(task_id)
    result = [_continued(by_id.get(task_id), task_id, pieces, protected) for task_id, pieces in parts.items()]
    result += [task for task in stored if task.id in protected and task.id not in parts]
    order = {task.id: position for position, task in enumerate(stored)}
    return sorted(result, key=lambda task: (order.get(task.id, len(order)), -task.n_calls))


def _by_owner(
    task: Task, owner: dict[str, str], protected: Collection[str], taken: Collection[str]
) -> list[tuple[str, Task]]:
    """Divide a found task among the protected tasks that own its templates; what is left goes to the chief of them."""
    owned: dict[str, list[Template]] = defaultdict(list)
    rest: list[Template] = []
    shared: Counter[str] = Counter()
    for template in task.templates:
        of = owner.get(template.id)
        if of is not None:
            shared[of] += max(template.n_calls, 1)
        if of is not None and of in protected:
            owned[of].append(template)
        else:
            rest.append(template)
    if not owned:
        free = [task_id for task_id, _ in shared.most_common() if task_id not in taken]
        same = task.id if task.id not in taken and task.id not in protected else ""
        return [(free[0] if free else same or _fresh_id(task, taken, protected), task)]
    chief = max(owned, key=lambda task_id: shared[task_id])
    elsewhere = sum(t.n_calls for key, templates in owned.items() if key != chief for t in templates)
    return [
        (
            task_id,
            msgspec.structs.replace(
                task,
                templates=(*templates, *(rest if task_id == chief else ())),
                n_calls=max(task.n_calls - elsewhere, 0) if task_id == chief else sum(t.n_calls for t in templates),
            ),
        )
        for task_id, templates in owned.items()
    ]


def _fresh_id(task: Task, taken: Collection[str], protected: Collection[str]) -> str:
    """The task's own id, unless another task has it already: an id is never given to something else."""
    if task.id not in taken and task.id not in protected:
        return task.id
    return split_id(task.id, [template.id for template in task.templates])


def _continued(before: Task | None, task_id: str, pieces: list[Task], protected: Collection[str]) -> Task:
    """One task out of the pieces that discovery found of it, with its earlier name and, if protected, templates."""
    task = pieces[0]
    for piece in pieces[1:]:
        task = _joined(task, piece)
    task = msgspec.structs.replace(task, id=task_id)
    if before is None:
        return task
    task = msgspec.structs.replace(task, name=before.name, named_by=before.named_by, tags=before.tags or task.tags)
    if task_id not in protected:
        return task
    seen = {template.id: template for template in task.templates}
    kept = [seen.pop(template.id, template) for template in before.templates]
    return msgspec.structs.replace(task, kind=before.kind, templates=(*kept, *seen.values()))


def _joined(task: Task, other: Task) -> Task:
    known = {template.id for template in task.templates}
    more = tuple(template for template in other.templates if template.id not in known)
    return msgspec.structs.replace(task, templates=(*task.templates, *more), n_calls=task.n_calls + other.n_calls)


def _split(tasks: dict[str, Task], aliases: dict[str, list[str]], task: Task, decision: Decision) -> None:
    leaving = tuple(t for t in task.templates if t.id in decision.template_ids)
    if not leaving:
        return
    staying = tuple(t for t in task.templates if t.id not in decision.template_ids)
    n_leaving = min(sum(t.n_calls for t in leaving), task.n_calls)
    tasks[task.id] = msgspec.structs.replace(task, templates=staying, n_calls=task.n_calls - n_leaving)
    tasks[decision.new_id] = msgspec.structs.replace(
        task, id=decision.new_id, name=decision.name, templates=leaving, n_calls=n_leaving, named_by="person"
    )
    aliases[decision.new_id] = [decision.new_id, decision.name, *aliases[task.id]]
