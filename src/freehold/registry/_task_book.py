"""The tasks' part of the registry: what discovery found and what persons decided about it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from freehold.errors import NotFound, UsageError
from freehold.settings import TaskSettings
from freehold.vocabulary import Task

from . import _decisions, _remembered, _routing, _rows
from ._decisions import Decision
from ._opened import Opened, find, log
from ._rows import DecisionRecord
from .names import folded


class TaskBook(Opened):
    """Tasks and the decisions about them."""

    def tasks(self) -> tuple[Task, ...]:
        """The tasks as persons see them: what discovery found, renamed, merged and split as they decided."""
        with self._db.read() as connection:
            return _rows.effective(connection).tasks

    def task(self, name_or_id: str) -> Task:
        """The task of that id or name; letter case does not count where it is unambiguous.

        Raises:
            NotFound: there is none; the hint names close ones.
        """
        with self._db.read() as connection:
            return find(_rows.effective(connection).tasks, name_or_id)

    def known_as(self) -> dict[str, str]:
        """The id of the task that each id and each name stands for today, also those that were merged away."""
        with self._db.read() as connection:
            effective = _rows.effective(connection)
        found: dict[str, str] = {}
        for task_id, names in effective.aliases.items():
            found.update((name, task_id) for name in names if name not in found)
        found.update((task.name, task.id) for task in effective.tasks)
        found.update((task.id, task.id) for task in effective.tasks)
        return found

    def save_discovered(self, tasks: Sequence[Task], *, by: str = "discovery") -> tuple[Task, ...]:
        """Take over what discovery found and return the tasks as persons see them.

        Ids and names given earlier stay with the templates they were given to. Tasks that a person edited or that have
        a student are never forgotten, others are when they are not found again.
        """
        with self._change() as connection:
            before = _rows.found_tasks(connection)
            after = _decisions.reconcile(before, _rows.protected(connection), tasks)
            if after != before:
                _rows.replace_found_tasks(connection, after)
                log(connection, by, "tasks.discovered", "", n_tasks=len(after))
            return _rows.effective(connection).tasks

    def adopt(self, task: Task, *, restricted: bool, by: str) -> Task:
        """Take over a task that another home knows, so that its student can be served here. The same again is nothing.

        What was restricted there is restricted here, until `data_class = "ordinary"` is declared in so many words.

        Raises:
            UsageError: this home knows a task of that name or of those prompts already, as another one.
        """
        with self._change() as connection:
            for other in _rows.effective(connection).tasks:
                alike = {one.id for one in other.templates} & {one.id for one in task.templates}
                if other.id != task.id and (alike or folded(other.name) == folded(task.name)):
                    raise UsageError(
                        f"this home knows {task.name} already, as its own task {other.name} ({other.id})",
                        hint=f"deploy into another home, or train it here: freehold train {other.name}",
                        code="task_exists",
                    )
            found = _rows.found_tasks(connection)
            if task.id not in {one.id for one in _rows.effective(connection).tasks}:
                _rows.replace_found_tasks(connection, [*found, task])
                log(connection, by, "task.adopted", task.id, name=task.name, restricted=restricted)
            if restricted:
                before = _rows.remembered(connection)
                _rows.remember(connection, _remembered.closed(before, task))
            return find(_rows.effective(connection).tasks, task.id)

    def rename(self, task: str, name: str, *, by: str) -> Task:
        """Give a task a name; it survives the next discovery, and so does what was declared under the old one.

        Raises:
            NotFound: no such task.
            UsageError: the name is empty or another task's.
        """
        with self._change() as connection:
            tasks = _rows.effective(connection).tasks
            found = find(tasks, task)
            _check_name(name, [other for other in tasks if other.id != found.id])
            return self._decide(connection, Decision("rename", found.id, name=name), by)

    def tag(self, task: str, tags: Sequence[str], *, by: str) -> Task:
        """Replace a task's tags.

        Raises:
            NotFound: no such task.
        """
        with self._change() as connection:
            found = find(_rows.effective(connection).tasks, task)
            return self._decide(connection, Decision("tag", found.id, tags=tuple(tags)), by)

    def merge(self, into: str, others: Sequence[str], *, by: str) -> Task:
        """Make `others` part of the task `into`. What served them is taken off: its certificates are for them alone.

        Raises:
            NotFound: no such task.
            UsageError: there is nothing to merge.
        """
        with self._change() as connection:
            tasks = _rows.effective(connection).tasks
            found = find(tasks, into)
            gone = [task for task in (find(tasks, other) for other in others) if task.id != found.id]
            if not gone:
                raise UsageError("a merge needs two different tasks")
            for other in gone:
                if _rows.stage(connection, other.id).stage != "none":
                    self._step(connection, other.id, "none", by=by, reason=f"merged into {found.id}")
            return self._decide(connection, Decision("merge", found.id, others=tuple(o.id for o in gone)), by)

    def split(self, task: str, template_ids: Collection[str], name: str, *, by: str) -> Task:
        """Make some of a task's prompt versions a task of their own, and return it.

        Raises:
            NotFound: no such task or template.
            UsageError: nothing would stay, or the name is empty or another task's.
        """
        with self._change() as connection:
            tasks = _rows.effective(connection).tasks
            found = find(tasks, task)
            own = {template.id for template in found.templates}
            if not own.issuperset(template_ids) or not template_ids:
                raise NotFound(f"task {found.name} has no such prompt version", hint="freehold tasks --json")
            if own == set(template_ids):
                raise UsageError(f"all of task {found.name} would leave it; rename it instead")
            _check_name(name, tasks)
            new_id = _decisions.split_id(found.id, template_ids)
            decision = Decision("split", found.id, name=name, template_ids=tuple(template_ids), new_id=new_id)
            return self._decide(connection, decision, by)

    def decisions(self) -> list[DecisionRecord]:
        """What persons decided about tasks, oldest first."""
        with self._db.read() as connection:
            return _rows.decisions(connection)

    def task_settings(self, task: str) -> TaskSettings:
        """What was declared for a task under any id or name it has or had; `restricted` under any of them binds.

        So does a restriction of earlier, until `data_class = "ordinary"` is declared in so many words.

        Raises:
            NotFound: no such task.
        """
        with self._db.read() as connection:
            return self._declared(connection, find(_rows.effective(connection).tasks, task))

    def unmatched_settings(self) -> tuple[str, ...]:
        """The names in `[tasks.NAME]` that no task has or had: not seen yet, or misspelt."""
        with self._db.read() as connection:
            return _routing.unmatched(_rows.effective(connection), self.settings)

    def _decide(self, connection: Connection, decision: Decision, by: str) -> Task:
        _rows.add_decision(connection, decision, by)
        log(connection, by, f"task.{decision.kind}", decision.task_id, decision=decision)
        return find(_rows.effective(connection).tasks, decision.new_id or decision.task_id)


def _check_name(name: str, others: Collection[Task]) -> None:
    if not name.strip() or name != name.strip():
        raise UsageError("a task's name may not be empty or begin or end with a space")
    if any(name in {other.name, other.id} for other in others):
        raise UsageError(f"another task is called {name}", hint="merge them, or choose another name")
