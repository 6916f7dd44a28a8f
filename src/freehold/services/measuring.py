"""One task's traffic, measured: every call of the ledger is looked at once, and only sums and samples are kept."""

from __future__ import annotations

from freehold.analytics.statistics import Collector, TaskStatistics
from freehold.tasks.names import Names
from freehold.vocabulary import Task

from .home import Home


def measure(home: Home, task: Task, *, names: str = "") -> TaskStatistics:
    """The statistics of a task's calls. Reads the whole ledger: about as long as an export of it.

    Args:
        home: where the calls are.
        task: whose calls.
        names: a spaCy model, with which names of persons and places are looked for as well.

    Raises:
        MissingPrerequisite: `names`, and Presidio or that model is not installed.
    """
    found = Collector(task.name, home.prices, Names(names).find if names else None)
    for call, match in home.recognised():
        if match is not None and match.task_id == task.id:
            found.add(call, match)
        else:
            found.pass_by(call)
    return found.statistics()
