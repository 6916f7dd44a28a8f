"""One workflow as a person looks at it: where its time goes, and what owning its steps would change."""

from __future__ import annotations

import msgspec

from freehold.analytics.alternatives import AT_ONCE, Supposed, supposed
from freehold.analytics.workflows import Workflow, measured
from freehold.services._pass import MOST_CALLS
from freehold.services.home import Home, Progress, silent
from freehold.services.windows import Looked, Window
from freehold.vocabulary import Interval

from ._owned import OwnedStep, answered, certified, owned_steps
from ._runs import gather


class ShownWorkflow(msgspec.Struct, frozen=True):
    """One workflow, whole.

    `supposed` is simulated on the runs looked at: each step answered at once, each step answered by its owned model
    where something is promised of one (`owned`), and all of these together.
    """

    looked: Looked
    workflow: Workflow
    owned: tuple[OwnedStep, ...]
    supposed: tuple[Supposed, ...]


def show(
    home: Home, name: str, window: Window, *, most: int = MOST_CALLS, progress: Progress = silent
) -> ShownWorkflow:
    """Look at one workflow.

    Raises:
        NotFound: there is no such workflow in these calls.
    """
    chains = gather(home, window, most, progress)
    kind = chains.find(name)
    runs = chains.kinds[kind]
    flow = measured(kind, chains.names[kind], runs, chains.tasks)
    task_ids = dict.fromkeys(step.task for run in runs for step in run.steps)
    progress("replaying the runs")
    bounds = [supposed(runs, {task: (AT_ONCE, Interval(1, 1))}, chains.tasks, "at_once") for task in task_ids]
    bounds.sort(key=lambda one: one.wall.mean_ms if one.wall is not None else 0.0)
    certificates = certified(home, task_ids)
    steps = owned_steps(home, certificates, chains.owned_ms)
    others = {task: answered(home, certificates[task], step) for task, step in zip(certificates, steps, strict=True)}
    owned = [supposed(runs, {task: one}, chains.tasks, "owned") for task, one in others.items()]
    if len(others) > 1:
        owned.append(supposed(runs, others, chains.tasks, "owned"))
    return ShownWorkflow(chains.looked, flow, tuple(steps), (*bounds, *owned))
