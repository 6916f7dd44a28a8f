"""One workflow as a person looks at it: where its time goes, and what owning its steps would change."""

from __future__ import annotations

import msgspec

from freehold.analytics.alternatives import AT_ONCE, Supposed, supposed
from freehold.analytics.workflows import Workflow, measured
from freehold.services._pass import MOST_CALLS
from freehold.services.home import Home, Progress, silent
from freehold.services.windows import Looked, Window
from freehold.vocabulary import Interval

from ._judging import Judge
from ._owned import OwnedStep, answered, owned_steps
from ._runs import gather
from .compounding import Compounded, against_gold, against_teacher
from .standing import Standing, standing


class ShownWorkflow(msgspec.Struct, frozen=True):
    """One workflow, whole.

    `supposed` is simulated on the runs looked at: each step answered at once, each step answered by its owned model
    where something is promised of one (`owned`), and all of these together. `worse`: how often a run holds an owned
    answer that is not the rented model's, if every step with an owned model is served by it; None where there is none.
    `wrong`: how often a run holds a wrong answer as it was served, by what people say is right. `promise`: what
    was last promised of its runs, and whether it stands; None where nothing was asked for.
    """

    looked: Looked
    workflow: Workflow
    owned: tuple[OwnedStep, ...]
    supposed: tuple[Supposed, ...]
    worse: Compounded | None
    wrong: Compounded
    promise: Standing | None


def show(
    home: Home, name: str, window: Window, *, most: int = MOST_CALLS, progress: Progress = silent
) -> ShownWorkflow:
    """Look at one workflow.

    Raises:
        NotFound: there is no such workflow in these calls.
    """
    judge = Judge(home)
    chains = gather(home, window, most, progress, judge)
    kind = chains.find(name)
    runs = chains.kinds[kind]
    flow = measured(kind, chains.names[kind], runs, chains.tasks)
    task_ids = dict.fromkeys(step.task for run in runs for step in run.steps)
    progress("replaying the runs")
    bounds = [supposed(runs, {task: (AT_ONCE, Interval(1, 1))}, chains.tasks, "at_once") for task in task_ids]
    bounds.sort(key=lambda one: one.wall.mean_ms if one.wall is not None else 0.0)
    certificates = {task: judge.certificates[task] for task in task_ids if task in judge.certificates}
    steps = owned_steps(home, certificates, chains.owned_ms)
    others = {
        task: one
        for task, step in zip(certificates, steps, strict=True)
        if (one := answered(home, certificates[task], step)) is not None
    }
    owned = [supposed(runs, {task: one}, chains.tasks, "owned") for task, one in others.items()]
    if len(others) > 1:
        owned.append(supposed(runs, others, chains.tasks, "owned"))
    return ShownWorkflow(
        looked=chains.looked,
        workflow=flow,
        owned=tuple(steps),
        supposed=(*bounds, *owned),
        worse=against_teacher(runs, judge, chains.tasks),
        wrong=against_gold(runs, judge, chains.tasks),
        promise=standing(home, flow.id),
    )
