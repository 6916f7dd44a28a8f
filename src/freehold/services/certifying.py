"""Asking for a promise: the student answers the calls held out from it, and the evidence says what may be promised."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec

from freehold.errors import MissingPrerequisite, UsageError
from freehold.evidence import certificates, intervals, losses
from freehold.registry.store import StageRecord
from freehold.students import bundle, runtime
from freehold.tasks import contracts
from freehold.vocabulary import Against, Answer, Certificate, Example, Manifest, Task

from .examples import draw, gather
from .home import Home
from .training import GOLD_BELOW, HELD_OUT_FROM


def certify(
    home: Home, task: Task, *, alpha: float | None = None, delta: float | None = None, against: str = ""
) -> Certificate:
    """Certify the latest student of `task` on calls it has never seen, or say what is missing.

    Against the teacher: the calls from the held-out end of the traffic on, whatever has come since included. Against
    gold: every call with a person's answer that was not trained on.

    Raises:
        MissingPrerequisite: the task has no student.
        UsageError: `against` is neither teacher nor gold, or alpha or delta is no probability.
    """
    declared, default = home.task_settings(task), home.settings.certificate
    chosen = parse_against(against or declared.against or default.against)
    manifest, folder = latest_student(home, task)
    examples = held_out(home, task, folder, manifest, chosen)
    answers = answer_as_served(folder, examples)
    numbers = certificates.certify(
        [a.confidence for a in answers],
        wrong(task, home, examples, answers, chosen),
        [a.scope >= manifest.scope_threshold for a in answers],
        alpha=first(alpha, declared.alpha, default.alpha),
        delta=first(delta, declared.delta, default.delta),
    )
    certificate = _certificate(task, manifest, numbers, examples, chosen)
    if chosen == "gold" and examples:
        why = f"{certificate.reason}{_teacher_errs(task, home, examples, certificate.alpha)}"
        certificate = msgspec.structs.replace(certificate, reason=why)
    home.registry.add_certificate(certificate)
    bundle.add_evidence(folder, certificate, bundle.signing_key(home.path))
    return certificate


def parse_against(text: str) -> Against:
    """What right means, as a person typed it.

    Raises:
        UsageError: neither teacher nor gold.
    """
    if text == "teacher":
        return "teacher"
    if text == "gold":
        return "gold"
    raise UsageError(f"{text!r} is nothing to certify against", hint="--against teacher or --against gold")


def latest_student(home: Home, task: Task) -> tuple[Manifest, Path]:
    """The task's newest student and its verified folder.

    Raises:
        MissingPrerequisite: there is none yet.
        BundleRefused: its bundle was changed.
    """
    student = home.registry.latest_student(task.id)
    if student is None:
        raise MissingPrerequisite(f"task {task.name} has no student yet", hint=f"freehold train {task.name}")
    folder = student.folder(home.path)
    bundle.recover(folder)
    return bundle.verify(folder).manifest, folder


def held_out(home: Home, task: Task, folder: Path, manifest: Manifest, against: Against) -> list[Example]:
    """The task's examples that the student never saw, as far as they can judge it.

    Against the teacher: those from the held-out end of the traffic on that no model's confidence selected. Against
    gold: every judged call, whoever answered it, that lies in that end or was held back by its draw. After a demotion
    only calls that came later count, since the earlier ones speak of traffic that is no more.
    """
    trained_on = {e.id for e in bundle.read_examples(folder)}
    from_us = int(manifest.parameters[HELD_OUT_FROM])
    gold_below = float(manifest.parameters.get(GOLD_BELOW, 0.0))
    covered = set(manifest.template_ids)
    since_us = _demoted_at_us(home, task, manifest.student_id)
    gathered = gather(home.recognised(task_id=task.id), home.audit_share(task))

    def unseen(e: Example) -> bool:
        known = gathered.versions[e.id] in covered and e.id not in trained_on
        return known and e.started_at_us > since_us

    if against == "gold":
        judged = [e for e in (*gathered.examples, *gathered.judged) if e.gold is not None and unseen(e)]
        return [e for e in judged if e.started_at_us >= from_us or draw(e.id) < gold_below]
    fair = [e for e in gathered.examples if e.id not in gathered.selected and unseen(e)]
    return [e for e in fair if e.started_at_us >= from_us]


def answer_as_served(folder: Path, examples: Sequence[Example]) -> list[Answer]:
    """The student's answers as its worker would serve them: one that breaks the contract has no confidence."""
    contract = bundle.read_contract(folder)
    answers = runtime.load(folder).answer_many([e.inputs for e in examples])
    return [
        msgspec.structs.replace(answer, confidence=0.0) if contracts.check(contract, answer.text) else answer
        for answer in answers
    ]


def _demoted_at_us(home: Home, task: Task, student_id: str) -> int:
    """When the student was last demoted; 0 for never."""
    history = home.registry.stage_history(task.id)
    times = [record.made_at for before, record in pairwise(history) if _demotes(before, record, student_id)]
    return round(datetime.fromisoformat(times[-1]).timestamp() * 1e6) if times else 0


def _demotes(before: StageRecord, record: StageRecord, student_id: str) -> bool:
    return record.stage == "demoted" and student_id in (before.student_id, record.student_id)


def wrong(
    task: Task, home: Home, examples: Sequence[Example], answers: Sequence[Answer], against: Against
) -> list[bool]:
    """Which answers are wrong, under the task's loss."""
    contract = home.registry.contract(task.id)
    differ = losses.loss(losses.loss_for(task.kind, contract.form if contract else ""))
    truth = [(e.gold or "") if against == "gold" else e.answer for e in examples]
    return [differ(answer.text, right) for answer, right in zip(answers, truth, strict=True)]


def _teacher_errs(task: Task, home: Home, examples: Sequence[Example], alpha: float) -> str:
    """What the same gold says of the teacher, where that explains the student's errors; "" otherwise."""
    as_taught = [Answer(e.answer, 1.0, 1.0) for e in examples]
    n_wrong = sum(wrong(task, home, examples, as_taught, "gold"))
    interval = intervals.two_sided(n_wrong, len(examples))
    if interval.low <= alpha:
        return ""
    return (
        f" The rented model itself is wrong on {n_wrong / len(examples):.0%} of the {len(examples):,} calls people "
        f"judged ({interval.low:.0%} to {interval.high:.0%}): a student learns its teacher's errors, and agreeing with "
        "the teacher is no sign of being right."
    )


def first(*values: float | None) -> float:
    """The first that is given."""
    return next(value for value in values if value is not None)


def _certificate(
    task: Task, manifest: Manifest, numbers: certificates.Numbers, examples: Sequence[Example], against: Against
) -> Certificate:
    times = [e.started_at_us for e in examples] or [0]
    issued_at = datetime.now(UTC).isoformat(timespec="seconds")
    return Certificate(
        id=f"cert_{secrets.token_hex(6)}",
        task_id=task.id,
        student_id=manifest.student_id,
        certified=numbers.certified,
        alpha=numbers.alpha,
        delta=numbers.delta,
        against=against,
        n=numbers.n,
        threshold=numbers.threshold,
        scope_threshold=manifest.scope_threshold,
        coverage=numbers.coverage,
        coverage_interval=numbers.coverage_interval,
        n_kept=numbers.n_kept,
        n_errors=numbers.n_errors,
        risk=numbers.risk,
        risk_upper=numbers.risk_upper,
        best_risk_upper=numbers.best_risk_upper,
        labels_needed=numbers.labels_needed,
        reason=numbers.reason,
        template_ids=manifest.template_ids,
        contract_version=manifest.contract_version,
        label_source=f"answers of {manifest.teacher}" if against == "teacher" else "answers given by people",
        calls_from_us=min(times),
        calls_to_us=max(times),
        issued_at=issued_at,
        method=numbers.method,
    )
