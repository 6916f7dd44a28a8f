"""One task's traffic, measured: every call of the ledger is looked at once, and only sums and samples are kept."""

from __future__ import annotations

from freehold.analytics.statistics import Collector, TaskStatistics
from freehold.tasks.names import Names
from freehold.vocabulary import Call, Task

from .home import Home


def measure(home: Home, task: Task, *, names: str = "") -> TaskStatistics:
    """The statistics of a task's calls.

    Of the other calls only what stands beside their bodies is read, to know which runs go on: several times faster than
    an export of the ledger. Bodies are read and matched of the task's own calls and of those that no template fits.

    Args:
        home: where the calls are.
        task: whose calls.
        names: a spaCy model, with which names of persons and places are looked for as well.

    Raises:
        MissingPrerequisite: `names`, and Presidio or that model is not installed.
    """
    found = Collector(task.name, home.prices, Names(names).find if names else None)
    own = home.recognised(task_id=task.id)
    following = next(own, None)
    for call in home.calls(bodies=False):
        while following is not None and _when(following[0]) <= _when(call):
            found.add(*following)
            last, following = following[0].id, next(own, None)
            if last == call.id:
                break
        else:
            found.pass_by(call)
    while following is not None:  # came while the others were read
        found.add(*following)
        following = next(own, None)
    return found.statistics()


def _when(call: Call) -> tuple[int, str]:
    return call.started_at_us, call.id
