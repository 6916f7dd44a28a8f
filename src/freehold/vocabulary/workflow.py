"""A promise about whole runs of a workflow, and what it rests on."""

from __future__ import annotations

from typing import Literal

import msgspec

from .certificate import Against, Interval

RunsOf = Literal["whole", "all"]
"""`whole`: of the runs in which every owned step was kept (it then holds of all runs too). `all`: of all runs."""

WorkflowRoute = Literal["runs", "steps"]
"""`runs`: measured on later runs, each judged as a whole. `steps`: added up from the steps' own certificates."""


class PinnedStep(msgspec.Struct, frozen=True):
    """One owned step as a promise about runs covers it: this student, from this confidence on, for these versions."""

    task_id: str
    task: str
    student_id: str
    certificate_id: str
    threshold: float
    scope_threshold: float
    template_ids: tuple[str, ...]
    contract_version: str
    alpha: float
    delta: float
    against: Against


class StepPart(msgspec.Struct, frozen=True):
    """What one step adds to the risk of a run, where that is added up from certificates.

    `calls_per_run` is the mean over `runs`, at most `calls_upper`; at least `share_lower` of the task's calls are made
    in such runs; at most `keeps_upper` of them are kept, and at most the certificate's alpha of those is wrong. `adds`
    is the product of the four, the second one below the line, and 1 at most. `alpha_needed`: an alpha at which its
    certificate would do, if every step's were lowered alike; 0 where none would.
    """

    task: str
    calls_per_run: float
    calls_upper: float
    runs: int
    share_lower: float
    keeps_upper: float
    alpha: float
    adds: float
    alpha_needed: float


class WorkflowCertificate(msgspec.Struct, frozen=True):
    """A promise: at most alpha of a workflow's runs hold an owned answer that is wrong, with confidence 1 - delta.

    "Wrong" is against `against`: not the rented model's answer, or not what people say is right. Of which runs it is
    told, `of` says. It covers the `steps` as they are pinned, and runs of at most `most_calls` calls (0: of any length)
    that are like those it was measured on; it lapses where a step's student or certificate changes.

    By the route `runs`: `n` later runs that speak to the promise were judged as a whole, `n_bad` hold a wrong owned
    answer, and `n_whole` kept every owned step; of all `n_judged` runs. `risk` is n_bad / n, with its 95 % interval.
    `look` counts how often runs of the same steps have been looked at, and `level` is the part of delta that this look
    was given. By the route `steps`, `parts` says what each step adds. `risk_upper` is what can be promised.
    `runs_needed`: about how many more runs would do; 0 where it is certified, None where none are likely to.
    """

    id: str
    workflow_id: str
    workflow: str
    certified: bool
    route: WorkflowRoute
    of: RunsOf
    against: Against
    alpha: float
    delta: float
    look: int
    level: float
    n: int
    n_bad: int
    n_whole: int
    n_judged: int
    risk: float | None
    risk_interval: Interval | None
    risk_upper: float
    runs_needed: int | None
    reason: str
    steps: tuple[PinnedStep, ...]
    tasks: tuple[str, ...]
    parts: tuple[StepPart, ...]
    most_calls: int
    left_out: dict[str, int]
    label_source: str
    runs_from_us: int
    runs_to_us: int
    issued_at: str
    method: str
