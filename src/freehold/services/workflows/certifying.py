"""Asking for a promise about a workflow's runs: from later runs judged as a whole, or from the steps' certificates."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple, get_args

import msgspec

from freehold.analytics.runs import Kind, Run
from freehold.analytics.workflows import identity
from freehold.errors import MissingPrerequisite, UsageError
from freehold.evidence.intervals import trials_without_error
from freehold.evidence.rivals import spent
from freehold.evidence.run_certificates import ByRuns, BySteps, StepFacts, by_runs, by_steps, check_levels
from freehold.services._pass import MOST_CALLS
from freehold.services.certifying import first, parse_against
from freehold.services.home import Home, Progress, silent
from freehold.services.windows import Window
from freehold.vocabulary import (
    Against,
    Certificate,
    PinnedStep,
    RunsOf,
    StepPart,
    WorkflowCertificate,
    WorkflowRoute,
)

from ._judged_runs import UNREADABLE, Later, judged, later, under_way
from ._judging import Judge
from ._runs import Chains, gather
from .telling import reason

METHODS: dict[WorkflowRoute, str] = {
    "runs": "exact binomial over runs judged as a whole",
    "steps": "certificates of the steps added up (Bonferroni), betting bound of calls a run",
}


class Asked(NamedTuple):
    """What is asked for: of which runs, at which levels, against what."""

    of: RunsOf
    alpha: float
    delta: float
    against: Against
    look: int


class _Pinned(NamedTuple):
    kind: Kind
    runs: Sequence[Run]
    pins: tuple[PinnedStep, ...]
    certificates: dict[str, Certificate]


def certify(
    home: Home,
    name: str,
    *,
    alpha: float | None = None,
    delta: float | None = None,
    against: str = "",
    of: str = "whole",
    route: str = "",
    progress: Progress = silent,
) -> WorkflowCertificate:
    """Certify a workflow's runs as its owned steps stand, or say what is missing.

    Without `route`: by runs, where there are as many later ones as it takes without an error, else by steps. Which it
    is depends on no label and no answer's confidence beyond what is kept.

    Raises:
        NotFound: there is no such workflow in the newest calls.
        MissingPrerequisite: no step has a student that anything is promised of.
        UsageError: `against`, `of` or `route` is none of the words for it, or alpha or delta is no probability.
    """
    default = home.settings.certificate
    chosen = parse_against(against or default.against)
    of_runs = next((one for one in get_args(RunsOf) if one == of), None)
    if of_runs is None:
        raise UsageError(f"{of!r} is no choice of runs", hint="--of whole or --of all")
    if route not in ("", *get_args(WorkflowRoute)):
        raise UsageError(f"{route!r} is no way to certify a workflow", hint="--route runs or --route steps")
    levels = first(alpha, default.alpha), first(delta, default.delta)
    check_levels(*levels)
    judge = Judge(home)
    chains = gather(home, Window(), MOST_CALLS, progress, judge)
    pinned = _pinned(chains, chains.find(name), judge)
    asked = Asked(of_runs, *levels, chosen, 1)
    made = _certify(home, chains, pinned, asked, route, progress)
    home.registry.add_workflow_certificate(made)
    return made


def _certify(
    home: Home, chains: Chains, pinned: _Pinned, asked: Asked, route: str, progress: Progress
) -> WorkflowCertificate:
    usable = later(home, pinned.runs, pinned.pins, asked.against)
    base = _unanswered(chains, pinned, asked)
    look = _look(home, base, usable.runs, "runs")
    fewest = trials_without_error(asked.alpha, spent(asked.delta, look))
    if route == "runs" or (not route and len(usable.runs) >= fewest):
        progress("judging later runs")
        return _by_runs(home, pinned, usable, base, asked._replace(look=look))
    progress("adding up what the steps' certificates promise")
    made = _by_steps(home, chains, pinned, base, asked)
    more = 0 if made.certified else max(0, fewest - len(usable.runs))
    made = msgspec.structs.replace(made, runs_needed=more, left_out=dict(usable.left_out), n_judged=len(usable.runs))
    return msgspec.structs.replace(made, reason=reason(made))


def _pinned(chains: Chains, kind: Kind, judge: Judge) -> _Pinned:
    """The owned steps of a workflow, as they stand."""
    runs = chains.kinds[kind]
    task_ids = list(dict.fromkeys(step.task for run in runs for step in run.steps))
    found = {task: judge.certificates[task] for task in task_ids if task in judge.certificates}
    if not found:
        some = next((chains.tasks[task] for task in task_ids if task in chains.tasks), "TASK")
        raise MissingPrerequisite(
            f"no step of {chains.names[kind]} has a student that anything is promised of",
            hint=f"freehold train {some}, then freehold certify {some}",
            code="no_owned_step",
        )
    pins = tuple(_pin(chains.tasks[task], certificate) for task, certificate in found.items())
    return _Pinned(kind, runs, pins, found)


def _pin(name: str, one: Certificate) -> PinnedStep:
    assert one.threshold is not None
    return PinnedStep(
        task_id=one.task_id,
        task=name,
        student_id=one.student_id,
        certificate_id=one.id,
        threshold=one.threshold,
        scope_threshold=one.scope_threshold,
        template_ids=one.template_ids,
        contract_version=one.contract_version,
        alpha=one.alpha,
        delta=one.delta,
        against=one.against,
    )


def _look(home: Home, base: WorkflowCertificate, runs: Sequence[Run], route: WorkflowRoute) -> int:
    """Which look at these steps this is: asking again of the same runs for the same thing is none of its own."""
    seen: list[tuple[str, int, int]] = []
    for one in home.registry.workflow_certificates(base.workflow_id):
        size = one.n_judged + one.left_out.get(UNREADABLE, 0) if route == "runs" else sum(p.runs for p in one.parts[:1])
        if size and (one.steps, one.against, one.route) == (base.steps, base.against, route):
            key = one.of, one.runs_to_us, size
            seen += [key] if key not in seen else []
    now = base.of, max((run.started_us for run in runs), default=0), len(runs)
    return seen.index(now) + 1 if now in seen else len(seen) + 1


def _unanswered(chains: Chains, pinned: _Pinned, asked: Asked) -> WorkflowCertificate:
    """A certificate before anything is known: nothing is promised."""
    return WorkflowCertificate(
        id=f"wcert_{secrets.token_hex(6)}",
        workflow_id=identity(pinned.kind),
        workflow=chains.names[pinned.kind],
        certified=False,
        route="runs",
        of=asked.of,
        against=asked.against,
        alpha=asked.alpha,
        delta=asked.delta,
        look=1,
        level=0.0,
        n=0,
        n_bad=0,
        n_whole=0,
        n_judged=0,
        risk=None,
        risk_interval=None,
        risk_upper=1.0,
        runs_needed=None,
        reason="",
        steps=pinned.pins,
        tasks=tuple(dict.fromkeys(step.task for run in pinned.runs for step in run.steps if step.task)),
        parts=(),
        most_calls=0,
        left_out={},
        label_source="answers of the rented model" if asked.against == "teacher" else "answers given by people",
        runs_from_us=0,
        runs_to_us=0,
        issued_at=datetime.now(UTC).isoformat(timespec="seconds"),
        method="",
    )


def _by_runs(
    home: Home, pinned: _Pinned, usable: Later, base: WorkflowCertificate, asked: Asked
) -> WorkflowCertificate:
    told, left_out = judged(home, usable, pinned.pins, asked.against)
    found: ByRuns = by_runs(told, of=asked.of, alpha=asked.alpha, delta=asked.delta, look=asked.look)
    times = [run.started_us for run in usable.runs] or [0]
    made = msgspec.structs.replace(
        base,
        route="runs",
        certified=found.certified,
        look=asked.look,
        level=found.level,
        n=found.n,
        n_bad=found.n_bad,
        n_whole=found.n_whole,
        n_judged=found.n_judged,
        risk=found.risk,
        risk_interval=found.risk_interval,
        risk_upper=found.risk_upper,
        runs_needed=found.runs_needed,
        left_out=dict(left_out),
        runs_from_us=min(times),
        runs_to_us=max(times),
        method=METHODS["runs"],
    )
    return msgspec.structs.replace(made, reason=reason(made))


def _by_steps(
    home: Home, chains: Chains, pinned: _Pinned, base: WorkflowCertificate, asked: Asked
) -> WorkflowCertificate:
    """From certificates. The earlier half of the runs fixes how long a run may be, the later half is counted."""
    going_on = under_way(pinned.runs)
    runs = [run for run in pinned.runs if not going_on(run)]
    half = len(runs) // 2
    most_calls = max((len(run.steps) for run in runs[:half]), default=0)
    counted = [run for run in runs[half:] if len(run.steps) <= most_calls]
    look = _look(home, base, counted, "steps")
    made = msgspec.structs.replace(base, route="steps", look=look, most_calls=most_calls, method=METHODS["steps"])
    if any(pin.against != asked.against for pin in pinned.pins) or not counted:
        return made
    facts = _facts(chains, pinned, counted)
    found: BySteps = by_steps(
        facts,
        of=asked.of,
        alpha=asked.alpha,
        delta=asked.delta,
        most_calls=most_calls,
        odd_runs=_odd(pinned.pins, counted),
        look=look,
    )
    parts = [
        StepPart(
            task=pin.task,
            calls_per_run=part.calls_per_run,
            calls_upper=part.calls_upper,
            runs=len(counted),
            share_lower=part.share_lower,
            keeps_upper=part.keeps_upper,
            alpha=pin.alpha,
            adds=min(1.0, part.adds),  # no number can be kept for what is without bound
            alpha_needed=pin.alpha * found.scale,
        )
        for pin, part in zip(pinned.pins, found.parts, strict=False)
    ]
    return msgspec.structs.replace(
        made,
        certified=found.certified,
        level=found.level,
        risk_upper=found.risk_upper,
        parts=tuple(parts),
        runs_from_us=min(run.started_us for run in counted),
        runs_to_us=max(run.started_us for run in counted),
    )


def _facts(chains: Chains, pinned: _Pinned, counted: Sequence[Run]) -> list[StepFacts]:
    since_us = min(run.started_us for run in counted)
    anywhere = Counter((task, template) for at_us, task, template in chains.calls if at_us >= since_us)
    facts: list[StepFacts] = []
    for pin in pinned.pins:
        covered = frozenset(pin.template_ids)
        calls = [sum(s.task == pin.task_id and s.template in covered for s in run.steps) for run in counted]
        certificate = pinned.certificates[pin.task_id]
        facts.append(
            StepFacts(
                alpha=pin.alpha,
                delta=pin.delta,
                coverage=certificate.coverage,
                certified_on=certificate.n,
                calls=calls,
                in_runs=sum(calls),
                anywhere=sum(anywhere[pin.task_id, template] for template in covered),
            )
        )
    return facts


def _odd(pins: Sequence[PinnedStep], counted: Sequence[Run]) -> tuple[int, int]:
    """Of how many runs some owned step is surely not kept, because its version is not covered, or none is there."""
    covered = {pin.task_id: frozenset(pin.template_ids) for pin in pins}
    odd = 0
    for run in counted:
        own = [step.template in covered[step.task] for step in run.steps if step.task in covered]
        odd += not own or not all(own)
    return odd, len(counted)
