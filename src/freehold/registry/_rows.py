"""Rows of `control.db` ⇄ structs, one function per question, each inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Select, Table, delete, select, update

from freehold.vocabulary import (
    Certificate,
    Contract,
    Manifest,
    Rehearsal,
    Stage,
    Task,
    Verdict,
    VirtualKey,
    WorkflowCertificate,
)

from . import _tables as t
from ._database import next_number, now
from ._decisions import Decision, Effective, apply
from ._remembered import Remembered
from ._stages import Held, StageRecord
from .current import NOTE

T = TypeVar("T")

VERSION = "routes_version"
KEYS_VERSION = "keys_version"
RESTRICTED = "restricted"


class StudentRecord(msgspec.Struct, frozen=True):
    """A student that exists: its manifest, and its bundle's folder relative to the home."""

    id: str
    task_id: str
    bundle: str
    manifest: Manifest
    added_at: str

    def folder(self, home: Path) -> Path:
        """Where the bundle lies."""
        return home / self.bundle


class Pause(msgspec.Struct, frozen=True):
    """Owned answers that a person stopped: of which task ("": of all), who did it, why, and when (UTC)."""

    task_id: str
    made_by: str
    reason: str
    made_at: str


class DecisionRecord(msgspec.Struct, frozen=True):
    """A person's decision about a task, with who made it and when (UTC)."""

    decision: Decision
    made_by: str
    made_at: str


def number(connection: Connection, name: str) -> int:
    """A counter of `meta`, 0 where it was never set."""
    value = connection.execute(select(t.meta.c.value).where(t.meta.c.name == name)).scalar()
    return int(value or 0)


def set_number(connection: Connection, name: str, value: int) -> None:
    """Set a counter of `meta`."""
    connection.execute(delete(t.meta).where(t.meta.c.name == name))
    connection.execute(t.meta.insert().values(name=name, value=str(value)))


def published_from(connection: Connection) -> str:
    """What the last publication was made from (`current.note`); "" where that is not known."""
    return connection.execute(select(t.meta.c.value).where(t.meta.c.name == NOTE)).scalar() or ""


def set_published_from(connection: Connection, note: str) -> None:
    """Note what a publication was made from."""
    connection.execute(delete(t.meta).where(t.meta.c.name == NOTE))
    connection.execute(t.meta.insert().values(name=NOTE, value=note))


def remembered(connection: Connection) -> Remembered:
    """What was ever declared restricted and not lifted."""
    text = connection.execute(select(t.meta.c.value).where(t.meta.c.name == RESTRICTED)).scalar()
    return _decode(text, Remembered) if text else Remembered()


def remember(connection: Connection, memory: Remembered) -> None:
    """Replace what is remembered as restricted."""
    connection.execute(delete(t.meta).where(t.meta.c.name == RESTRICTED))
    connection.execute(t.meta.insert().values(name=RESTRICTED, value=_encode(memory)))


def insert(connection: Connection, table: Table, **values: Any) -> int:
    """Append a numbered row and return its number."""
    seq = next_number(connection, table)
    connection.execute(table.insert().values(seq=seq, **values))
    return seq


def found_tasks(connection: Connection) -> list[Task]:
    """The tasks as discovery left them, in order."""
    rows = connection.execute(select(t.tasks.c.data).order_by(t.tasks.c.position)).scalars()
    return [_decode(row, Task) for row in rows]


def replace_found_tasks(connection: Connection, tasks: Iterable[Task]) -> None:
    """Put what discovery found now in the place of what it found before."""
    connection.execute(delete(t.tasks))
    for position, task in enumerate(tasks):
        connection.execute(t.tasks.insert().values(id=task.id, position=position, data=_encode(task), updated_at=now()))


def decisions(connection: Connection) -> list[DecisionRecord]:
    """Persons' decisions, oldest first."""
    rows = connection.execute(select(t.decisions).order_by(t.decisions.c.seq))
    return [DecisionRecord(_decode(row.data, Decision), row.made_by, row.made_at) for row in rows]


def add_decision(connection: Connection, decision: Decision, by: str) -> None:
    """Remember a person's decision."""
    insert(
        connection,
        t.decisions,
        kind=decision.kind,
        task_id=decision.task_id,
        data=_encode(decision),
        made_by=by,
        made_at=now(),
    )


def effective(connection: Connection) -> Effective:
    """The tasks as persons see them."""
    return apply(found_tasks(connection), [record.decision for record in decisions(connection)])


def protected(connection: Connection) -> set[str]:
    """The found tasks that must not be forgotten: edited by a person, or with a student or a rehearsal of their own."""
    ids: set[str] = set()
    for record in decisions(connection):
        ids.update((record.decision.task_id, *record.decision.others))
    for table in (t.students, t.rehearsals):  # both were paid for
        ids.update(connection.execute(select(table.c.task_id).distinct()).scalars())
    return ids


class ContractRecord(msgspec.Struct, frozen=True):
    """A contract, and when it was saved or signed (ISO 8601)."""

    saved_at: str
    contract: Contract


def contracts(connection: Connection, task_id: str) -> list[ContractRecord]:
    """A task's contracts, oldest first; a signed one follows the unsigned one of the same version."""
    rows = connection.execute(
        select(t.contracts.c.saved_at, t.contracts.c.data)
        .where(t.contracts.c.task_id == task_id)
        .order_by(t.contracts.c.seq)
    )
    return [ContractRecord(saved_at, _decode(data, Contract)) for saved_at, data in rows]


def contract(connection: Connection, task_id: str, version: str = "") -> Contract | None:
    """A task's contract of that version, else the one in force; None where it has none.

    In force is what a person signed last; before anybody signed, what was learned last.
    """
    every = [record.contract for record in contracts(connection, task_id)]
    if version:
        return next((one for one in reversed(every) if one.version == version), None)
    return next((one for one in reversed(every) if one.signed_by), every[-1] if every else None)


def add_contract(connection: Connection, task_id: str, contract: Contract) -> None:
    """Append a contract."""
    insert(connection, t.contracts, task_id=task_id, version=contract.version, data=_encode(contract), saved_at=now())


def students(connection: Connection, *, task_id: str = "", student_id: str = "") -> list[StudentRecord]:
    """Students, oldest first."""
    return [
        StudentRecord(row.id, row.task_id, row.bundle, _decode(row.manifest, Manifest), row.added_at)
        for row in connection.execute(_oldest_first(t.students, task_id=task_id, id=student_id))
    ]


def add_student(connection: Connection, manifest: Manifest, bundle: str) -> None:
    """Append a student."""
    insert(
        connection,
        t.students,
        id=manifest.student_id,
        task_id=manifest.task_id,
        bundle=bundle,
        manifest=_encode(manifest),
        added_at=now(),
    )


def held(
    connection: Connection, *, task_id: str = "", student_id: str = "", against: str = "", certificate_id: str = ""
) -> list[Held]:
    """Certificates with what became of them, oldest first."""
    query = _oldest_first(t.certificates, task_id=task_id, student_id=student_id, against=against, id=certificate_id)
    return [Held(_decode(row.data, Certificate), row.void_reason) for row in connection.execute(query)]


def add_certificate(connection: Connection, certificate: Certificate) -> None:
    """Append a certificate."""
    insert(
        connection,
        t.certificates,
        id=certificate.id,
        task_id=certificate.task_id,
        student_id=certificate.student_id,
        against=certificate.against,
        data=_encode(certificate),
        void_reason="",
        added_at=now(),
        voided_at="",
    )


def void_certificates(connection: Connection, certificate_id: str, reason: str) -> list[str]:
    """Void a certificate and all others of its student for the same kind of promise; the ids of those that were voided.

    What broke one promise breaks the others: they speak of the same answers. Empty where the certificate does not exist
    or was void already, so that a demotion which is told twice does not void what was issued in between.
    """
    certificates = t.certificates
    one = connection.execute(
        select(certificates).where(certificates.c.id == certificate_id, certificates.c.void_reason == "")
    ).first()
    if one is None:
        return []
    its_kind = (
        certificates.c.student_id == one.student_id,
        certificates.c.against == one.against,
        certificates.c.void_reason == "",
    )
    ids = list(connection.execute(select(certificates.c.id).where(*its_kind).order_by(certificates.c.seq)).scalars())
    connection.execute(update(certificates).where(*its_kind).values(void_reason=reason or "demoted", voided_at=now()))
    return ids


def voided_at(connection: Connection, student_id: str, against: str) -> str:
    """When a certificate of a student was last voided, "" for never."""
    query = select(t.certificates.c.voided_at).where(t.certificates.c.student_id == student_id)
    if against:
        query = query.where(t.certificates.c.against == against)
    return max(connection.execute(query).scalars(), default="")


def stage_history(connection: Connection, task_id: str) -> list[StageRecord]:
    """Every step of a task between stages, oldest first."""
    rows = connection.execute(select(t.stages).where(t.stages.c.task_id == task_id).order_by(t.stages.c.seq))
    return [StageRecord(**row) for row in rows.mappings()]


def stage(connection: Connection, task_id: str) -> StageRecord:
    """A task's present stage."""
    rows = connection.execute(
        select(t.stages).where(t.stages.c.task_id == task_id).order_by(t.stages.c.seq.desc()).limit(1)
    )
    row = rows.mappings().first()
    return StageRecord(0, task_id, "none") if row is None else StageRecord(**row)


def add_stage(
    connection: Connection,
    task_id: str,
    stage: Stage,
    *,
    by: str,
    reason: str,
    student_id: str = "",
    certificate_id: str = "",
) -> StageRecord:
    """Append a step and return it."""
    made_at = now()
    seq = insert(
        connection,
        t.stages,
        task_id=task_id,
        stage=stage,
        student_id=student_id,
        certificate_id=certificate_id,
        made_by=by,
        reason=reason,
        made_at=made_at,
    )
    return StageRecord(seq, task_id, stage, student_id, certificate_id, by, reason, made_at)


def pauses(connection: Connection) -> dict[str, Pause]:
    """What is paused now, by task id, "" for everything."""
    latest: dict[str, Pause] = {}
    for row in connection.execute(select(t.pauses).order_by(t.pauses.c.seq)):
        latest.pop(row.task_id, None)
        if row.paused:
            latest[row.task_id] = Pause(row.task_id, row.made_by, row.reason, row.made_at)
    return latest


def add_pause(connection: Connection, task_id: str, *, paused: bool, by: str, reason: str) -> Pause:
    """Append a pause or its end."""
    made_at = now()
    insert(
        connection, t.pauses, task_id=task_id, paused=int(paused), made_by=by, reason=reason, made_at=made_at
    )  # fmt: skip
    return Pause(task_id, by, reason, made_at)


def verdicts(connection: Connection, task_id: str) -> list[Verdict]:
    """A task's verdicts, oldest first; of all tasks where `task_id` is ""."""
    return _kept(connection, t.verdicts, Verdict, task_id=task_id)


def add_verdict(connection: Connection, verdict: Verdict) -> None:
    """Append a verdict."""
    insert(
        connection,
        t.verdicts,
        task_id=verdict.task_id,
        word=verdict.word,
        data=_encode(verdict),
        made_at=verdict.made_at,
    )


def rehearsals(connection: Connection, task_id: str) -> list[Rehearsal]:
    """A task's rehearsals, oldest first; of all tasks where `task_id` is ""."""
    return _kept(connection, t.rehearsals, Rehearsal, task_id=task_id)


def add_rehearsal(connection: Connection, rehearsal: Rehearsal) -> None:
    """Append a rehearsal."""
    insert(
        connection,
        t.rehearsals,
        id=rehearsal.id,
        task_id=rehearsal.task_id,
        model=rehearsal.name,
        data=_encode(rehearsal),
        made_at=rehearsal.made_at,
    )


def workflow_certificates(connection: Connection, workflow_id: str) -> list[WorkflowCertificate]:
    """A workflow's certificates, oldest first; of all workflows where `workflow_id` is ""."""
    return _kept(connection, t.workflow_certificates, WorkflowCertificate, workflow_id=workflow_id)


def add_workflow_certificate(connection: Connection, certificate: WorkflowCertificate) -> None:
    """Append a workflow's certificate."""
    insert(
        connection,
        t.workflow_certificates,
        id=certificate.id,
        workflow_id=certificate.workflow_id,
        data=_encode(certificate),
        added_at=now(),
    )


def virtual_keys(connection: Connection) -> tuple[VirtualKey, ...]:
    """Every virtual key, oldest first, revoked ones included."""
    return tuple(_kept(connection, t.virtual_keys, VirtualKey))


def add_virtual_key(connection: Connection, key: VirtualKey, by: str) -> None:
    """Append a virtual key."""
    insert(connection, t.virtual_keys, id=key.id, name=key.name, data=_encode(key), made_by=by)


def replace_virtual_key(connection: Connection, key: VirtualKey) -> None:
    """Put a virtual key in the place of the one with its id."""
    connection.execute(update(t.virtual_keys).where(t.virtual_keys.c.id == key.id).values(data=_encode(key)))


def _oldest_first(table: Table, **wanted: str) -> Select[Any]:
    """The rows of a numbered table in which these columns hold these values; "" is any value."""
    of = [table.c[name] == value for name, value in wanted.items() if value]
    return select(table).where(*of).order_by(table.c.seq)


def _kept(connection: Connection, table: Table, kind: type[T], **wanted: str) -> list[T]:
    """What the rows of such a table hold."""
    return [_decode(row.data, kind) for row in connection.execute(_oldest_first(table, **wanted))]


def _encode(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()


def _decode(text: str, kind: type[T]) -> T:
    return msgspec.json.decode(text, type=kind)
