"""The part of the registry that keeps what was made and measured: contracts, students, certificates and the like."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from freehold.errors import NotFound, UsageError
from freehold.vocabulary import Against, Certificate, Contract, Manifest, Rehearsal, Verdict, WorkflowCertificate

from . import _rows
from ._opened import Opened, find, log, student
from ._rows import ContractRecord, StudentRecord
from ._stages import Held


class EvidenceBook(Opened):
    """Contracts, students, certificates of tasks and workflows, verdicts, rehearsals. Nothing is ever overwritten."""

    def save_contract(self, task: str, contract: Contract, *, by: str = "discovery") -> None:
        """Keep a learned contract as the task's latest; the same again changes nothing.

        The version in force keeps its signature. Any other, one signed in earlier days included, waits for a signature,
        and the signed one stays in force.

        Raises:
            NotFound: no such task.
        """
        with self._change() as connection:
            found = find(_rows.effective(connection).tasks, task)
            every = _rows.contracts(connection, found.id)
            latest = every[-1].contract if every else None
            in_force = _rows.contract(connection, found.id)
            signed_by = in_force.signed_by if in_force is not None and in_force.version == contract.version else ""
            contract = msgspec.structs.replace(contract, signed_by=contract.signed_by or signed_by)
            if contract != latest:
                _rows.add_contract(connection, found.id, contract)
                log(connection, by, "contract.saved", found.id, version=contract.version)

    def contract(self, task: str, version: str = "") -> Contract | None:
        """A task's contract in force, or that of a version; None where it has none.

        In force is what a person signed last; before anybody signed, what was learned last.

        Raises:
            NotFound: no such task.
        """
        with self._db.read() as connection:
            return _rows.contract(connection, find(_rows.effective(connection).tasks, task).id, version)

    def contracts(self, task: str) -> list[ContractRecord]:
        """Every contract that was kept for a task, oldest first.

        A signed one follows the unsigned one of the same version, and one learned again follows itself.

        Raises:
            NotFound: no such task.
        """
        with self._db.read() as connection:
            return _rows.contracts(connection, find(_rows.effective(connection).tasks, task).id)

    def sign_contract(self, task: str, *, by: str, version: str = "") -> Contract:
        """Sign a task's contract (what was learned last, or that of a version) and return it: it is in force from now.

        Raises:
            NotFound: no such task or version.
        """
        with self._change() as connection:
            found = find(_rows.effective(connection).tasks, task)
            every = [record.contract for record in _rows.contracts(connection, found.id)]
            contract = next((one for one in reversed(every) if not version or one.version == version), None)
            if contract is None:
                raise NotFound(
                    f"task {found.name} has no such contract", hint=f"freehold contract {found.name} --versions"
                )
            signed = msgspec.structs.replace(contract, signed_by=by)
            _rows.add_contract(connection, found.id, signed)
            log(connection, by, "contract.signed", found.id, version=signed.version)
            return signed

    def add_student(self, manifest: Manifest, bundle: Path, *, by: str = "training") -> StudentRecord:
        """Register a student whose bundle lies in `bundle`, inside the home. The same again changes nothing.

        Args:
            manifest: what it is.
            bundle: a path in the home, as the home's own path begins it or from there on.
            by: who says so, for the audit log.

        Raises:
            UsageError: the bundle lies outside the home.
        """
        folder = bundle if bundle.is_absolute() or bundle.is_relative_to(self.home) else self.home / bundle
        try:
            relative = folder.resolve().relative_to(self.home.resolve()).as_posix()
        except ValueError:
            raise UsageError("a student's bundle must lie inside the home", hint="copy it to bundles/") from None
        with self._change() as connection:
            if not _rows.students(connection, student_id=manifest.student_id):
                _rows.add_student(connection, manifest, relative)
                log(connection, by, "student.added", manifest.student_id, task=manifest.task_id, rung=manifest.rung)
            return _rows.students(connection, student_id=manifest.student_id)[0]

    def students(self, task: str = "") -> list[StudentRecord]:
        """The students of a task, or all, oldest first.

        Raises:
            NotFound: no such task.
        """
        with self._db.read() as connection:
            task_id = find(_rows.effective(connection).tasks, task).id if task else ""
            return _rows.students(connection, task_id=task_id)

    def student(self, student_id: str) -> StudentRecord:
        """The student of that id.

        Raises:
            NotFound: there is none.
        """
        with self._db.read() as connection:
            return student(connection, student_id)

    def latest_student(self, task: str) -> StudentRecord | None:
        """The student of a task that was trained last; None where it has none.

        Raises:
            NotFound: no such task.
        """
        return (self.students(task) or [None])[-1]

    def add_certificate(self, certificate: Certificate, *, by: str = "certification") -> None:
        """Keep a certificate, certified or not. The same again changes nothing.

        Raises:
            NotFound: its student is not registered.
            UsageError: its id is another certificate's.
        """
        with self._change() as connection:
            student(connection, certificate.student_id)
            known = _rows.held(connection, certificate_id=certificate.id)
            if known and known[0].certificate != certificate:
                raise UsageError(f"certificate {certificate.id} exists and says something else")
            if not known:
                _rows.add_certificate(connection, certificate)
                certified = certificate.certified
                log(connection, by, "certificate.added", certificate.id, task=certificate.task_id, certified=certified)

    def certificates(self, task: str = "", student_id: str = "", against: Against | None = None) -> list[Held]:
        """Certificates with what became of them, oldest first.

        Raises:
            NotFound: no such task.
        """
        with self._db.read() as connection:
            task_id = find(_rows.effective(connection).tasks, task).id if task else ""
            return _rows.held(connection, task_id=task_id, student_id=student_id, against=against or "")

    def latest_certificate(self, task: str, student_id: str = "", against: Against | None = None) -> Certificate | None:
        """The certificate issued last for a task (and student, and kind of promise) that is not void; None for none.

        It may say "not certified".

        Raises:
            NotFound: no such task.
        """
        held = [h.certificate for h in self.certificates(task, student_id, against) if not h.void_reason]
        return (held or [None])[-1]

    def voided_at_us(self, student_id: str, against: Against | None = None) -> int | None:
        """When a promise of a student was last voided, in microseconds since the epoch; None where none ever was.

        Calls up to then are what the promise had been made on. Only later ones can tell whether a new one would hold.
        """
        with self._db.read() as connection:
            at = _rows.voided_at(connection, student_id, against or "")
        return round(datetime.fromisoformat(at).timestamp() * 1_000_000) if at else None

    def add_workflow_certificate(self, certificate: WorkflowCertificate, *, by: str = "certification") -> None:
        """Keep a promise about whole runs, certified or not. It changes no route.

        Raises:
            NotFound: a student that it names is not registered.
        """
        with self._db.write() as connection:
            for step in certificate.steps:
                student(connection, step.student_id)
            _rows.add_workflow_certificate(connection, certificate)
            what, certified = "workflow_certificate.added", certificate.certified
            log(connection, by, what, certificate.id, workflow=certificate.workflow_id, certified=certified)

    def workflow_certificates(self, workflow_id: str = "") -> list[WorkflowCertificate]:
        """The promises about a workflow's runs, or about all workflows', oldest first; some may have lapsed."""
        with self._db.read() as connection:
            return _rows.workflow_certificates(connection, workflow_id)

    def add_verdict(self, verdict: Verdict, *, by: str = "verdict") -> None:
        """Keep a verdict. It changes no route: verdicts advise, certificates and approvals decide."""
        with self._db.write() as connection:
            _rows.add_verdict(connection, verdict)
            log(connection, by, "verdict.made", verdict.task_id, word=verdict.word, provisional=verdict.provisional)

    def verdicts(self, task: str = "") -> list[Verdict]:
        """The verdicts on a task, or on all, oldest first.

        Raises:
            NotFound: no such task.
        """
        with self._db.read() as connection:
            return _rows.verdicts(connection, find(_rows.effective(connection).tasks, task).id if task else "")

    def latest_verdict(self, task: str) -> Verdict | None:
        """The last verdict on a task; None where there is none.

        Raises:
            NotFound: no such task.
        """
        return (self.verdicts(task) or [None])[-1]

    def add_rehearsal(self, rehearsal: Rehearsal, *, by: str = "rehearsal") -> None:
        """Keep what a rehearsal measured. It changes no route."""
        with self._db.write() as connection:
            _rows.add_rehearsal(connection, rehearsal)
            log(connection, by, "rehearsal.made", rehearsal.task_id, model=rehearsal.name, answered=rehearsal.answered)

    def rehearsals(self, task: str) -> list[Rehearsal]:
        """The rehearsals of a task, oldest first.

        Raises:
            NotFound: no such task.
        """
        with self._db.read() as connection:
            return _rows.rehearsals(connection, find(_rows.effective(connection).tasks, task).id)
