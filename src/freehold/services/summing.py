"""Sums of the traffic by task: the ledger's tables, with the tasks as persons see them today.

The ledger keeps what was recorded with a call, and what it was recognised as, by the ids of that time, so that nothing
has to be made again where a person renames, merges or splits a task. This is where ids become names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from freehold.ledger import QueryResult, TaskNames

from .home import Home


def sums(
    home: Home,
    table: str,
    by: Sequence[str] = (),
    *,
    since_us: int | None = None,
    until_us: int | None = None,
    where: Mapping[str, Sequence[Any]] | None = None,
    quantiles: Sequence[float] = (0.5, 0.9, 0.99),
) -> QueryResult:
    """As `Ledger.rollup`, but `task` holds the name that the task has today, "" for calls that are of none.

    Sealed calls are of the task that `freehold tasks` counts them under, as it last looked at them; calls that are not
    sealed yet, or that nobody has looked at, are of the task that was recorded with them. A name that a caller gave and
    that no task has or had stays as it is where the call's form tells no task either.

    Raises:
        UsageError: the table cannot tell that; a home that sees a part of the calls must end on one of its steps.
        LedgerUnavailable: the ledger cannot be read whole.
    """
    ends = [moment for moment in (until_us, home.until_us) if moment is not None]
    return home.ledger.rollup(
        table,
        by,
        since_us=since_us,
        until_us=min(ends, default=None),
        where=where,
        quantiles=quantiles,
        names=task_names(home),
    )


def task_names(home: Home) -> TaskNames:
    """Today's names of tasks by everything that the ledger may know them by; the same as `_survey.summed` counts by."""
    tasks = home.registry.tasks()
    names = {task.id: task.name for task in tasks}
    known = {alias: names[task_id] for alias, task_id in home.registry.known_as().items() if task_id in names}
    return TaskNames(
        declared=known,
        templates={template.id: task.name for task in tasks for template in task.templates},
        recognised=known,
        stated={task.stated: task.name for task in tasks if task.stated},
    )
