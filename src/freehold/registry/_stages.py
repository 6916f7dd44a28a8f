"""The promotion state machine: which steps between stages exist, and what a step towards serving needs.

    none ⇄ shadow ⇄ canary ⇄ full        and any of them straight to any other that its evidence allows
    canary, full → demoted               by the audit test, which also voids the student's certificates of that kind
    demoted → none, shadow               and back to serving only with a certificate issued since

Serving (canary, full) needs a certificate of that very student which is certified, not void, and at least as strict as
what was declared for the task. Shadow needs a student. Going down never needs anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from freehold.errors import GateRefused
from freehold.settings import TaskSettings
from freehold.vocabulary import Certificate, Stage, Task

SERVING: Final[frozenset[Stage]] = frozenset({"canary", "full"})
LEGAL: Final[dict[Stage, frozenset[Stage]]] = {
    "none": frozenset({"none", "shadow", "canary", "full"}),
    "shadow": frozenset({"none", "shadow", "canary", "full"}),
    "canary": frozenset({"none", "shadow", "canary", "full", "demoted"}),
    "full": frozenset({"none", "shadow", "canary", "full", "demoted"}),
    "demoted": frozenset({"none", "shadow", "canary", "full", "demoted"}),
}
"""From each stage, the stages that may follow. Towards serving the gate decides as well."""


class StageRecord(msgspec.Struct, frozen=True):
    """One step: which student, under which certificate, entered which stage; who did it and why. Time is UTC."""

    seq: int
    task_id: str
    stage: Stage
    student_id: str = ""
    certificate_id: str = ""
    made_by: str = ""
    reason: str = ""
    made_at: str = ""


class Held(msgspec.Struct, frozen=True):
    """A certificate with what became of it: `void_reason` is "" while it may be relied on."""

    certificate: Certificate
    void_reason: str = ""


def check_step(task: Task, before: Stage, after: Stage) -> None:
    """Refuse a step that does not exist.

    Raises:
        GateRefused: with the steps that do.
    """
    if after == "demoted" or after not in LEGAL[before]:
        possible = ", ".join(sorted(LEGAL[before] - {"demoted", before}))
        raise GateRefused(f"task {task.name} cannot go from {before} to {after}", hint=f"from {before}: {possible}")


def gate(task: Task, student_id: str, held: Sequence[Held], declared: TaskSettings, wanted: str = "") -> Certificate:
    """The certificate under which `student_id` may serve `task`: the latest that holds, or the one `wanted`.

    Raises:
        GateRefused: there is none; the message says what is wrong with the latest, the hint how to get a better one.
    """
    own = [h for h in held if h.certificate.student_id == student_id and h.certificate.task_id == task.id]
    if wanted:
        own = [h for h in own if h.certificate.id == wanted]
    hint = f"freehold certify {task.name}"
    if not own:
        what = f"certificate {wanted}" if wanted else "certificate"
        raise GateRefused(f"student {student_id} of task {task.name} has no {what}", hint=hint)
    reasons = [_why_not(h, declared) for h in own]
    for h, why in zip(reversed(own), reversed(reasons), strict=True):
        if not why:
            return h.certificate
    raise GateRefused(f"task {task.name} is not certified: {reasons[-1]}", hint=hint)


def _why_not(held: Held, declared: TaskSettings) -> str:
    certificate = held.certificate
    if held.void_reason:
        return f"certificate {certificate.id} was voided: {held.void_reason}"
    if not certificate.certified or certificate.threshold is None:
        return certificate.reason or "there is not enough evidence"
    if declared.against is not None and certificate.against != declared.against:
        return f"its certificate is against {certificate.against}, and {declared.against} is declared"
    if declared.alpha is not None and certificate.alpha > declared.alpha:
        return f"its certificate promises alpha {certificate.alpha:g}, and {declared.alpha:g} is declared"
    if declared.delta is not None and certificate.delta > declared.delta:
        return f"its certificate has delta {certificate.delta:g}, and {declared.delta:g} is declared"
    return ""


def holds(task: Task, step: StageRecord, held: Sequence[Held], declared: TaskSettings) -> bool:
    """Whether what a step served may serve still: its certificate holds and is as strict as what is declared now."""
    try:
        gate(task, step.student_id, held, declared, step.certificate_id)
    except GateRefused:
        return False
    return bool(step.certificate_id)


def to_return_to(history: Sequence[StageRecord], holds: Callable[[StageRecord], bool]) -> StageRecord | None:
    """Where a rollback leads: the last step that served another student, from before the present one first served.

    None: there is no such student whose certificate still holds; then nothing owned serves.
    """
    if not history or not history[-1].student_id:
        return None
    present = history[-1].student_id
    first = next((i for i, r in enumerate(history) if r.student_id == present and r.stage in SERVING), len(history))
    for record in reversed(history[:first]):
        if record.stage in SERVING and record.student_id != present and holds(record):
            return record
    return None
