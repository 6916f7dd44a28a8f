"""An owned model that leaves with what it takes to serve it, and is put into service somewhere else.

The archive holds the signed bundle and, signed by the same home, the task's prompts, the stage, the certificate and
whether its data are restricted. A home takes it in if it trusts the signer, and then serves as the other one did;
nothing else of the first home is needed. Calls, keys, prices and settings stay where they are.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from freehold.errors import BundleRefused, MissingPrerequisite, UsageError
from freehold.students import bundle
from freehold.vocabulary import Certificate, Manifest, Stage, Task

from .home import Home
from .promoting import whoever

_SERVED = frozenset({"shadow", "canary", "full"})


class Packed(msgspec.Struct, frozen=True):
    """An archive that was written."""

    file: str
    size_bytes: int
    student_id: str
    task: str
    stage: str
    signer: str

    def in_words(self) -> list[str]:
        """What to tell the person."""
        what = f"{self.student_id}, which serves {self.task} on stage {self.stage}, and what it takes to serve it"
        return [
            f"{self.file} ({self.size_bytes / 1e6:,.1f} MB) holds {what}.",
            f"In another home: freehold deploy {self.file} --trust {self.signer}",
        ]


class Deployed(msgspec.Struct, frozen=True):
    """An owned model that was put into service here. `restricted`: its task is, by the archive or by settings."""

    student_id: str
    task: str
    stage: str
    certificate_id: str
    restricted: bool
    signer: str
    newly_trusted: bool

    def in_words(self) -> list[str]:
        """What to tell the person."""
        lines = [f"{self.task} is on stage {self.stage}: {self.student_id}, under certificate {self.certificate_id}."]
        if self.restricted:
            lines.append("It is restricted here: nothing of it is ever rented.")
        if self.newly_trusted:
            lines.append(f"Bundles signed by {self.signer[:16]}… are trusted here from now on (keys/trusted).")
        return lines


def pack(home: Home, task: Task, file: Path, *, why: str = "") -> Packed:
    """Write the owned model that serves a task, and what it takes to serve it, into an archive.

    `why` goes into the audit log, which keeps who took it out.

    Raises:
        MissingPrerequisite: nothing owned serves the task.
        BundleRefused: its bundle was changed, or its signer is not trusted any more.
        UsageError: `file` exists.
    """
    record = home.registry.stage(task.id)
    if record.stage not in _SERVED or not record.student_id or not record.certificate_id:
        raise MissingPrerequisite(
            f"no certified model of {task.name} is in service, so that there is nothing to deploy elsewhere",
            hint=f"freehold promote {task.name} --stage full, or give a folder to export its newest student alone",
        )
    folder = home.registry.student(record.student_id).folder(home.path)
    bundle.recover(folder)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    data_class = home.task_settings(task).data_class
    how = bundle.served(record.student_id, task, record.stage, record.certificate_id, data_class, now)
    trusted = bundle.trusted_signers(home.path)
    signer = bundle.pack(folder, how, file, bundle.signing_key(home.path), trusted=trusted)
    home.registry.record(whoever(), "student.exported", record.student_id, why=why, task=task.id, stage=record.stage)
    size = file.stat().st_size
    return Packed(str(file), size, record.student_id, task.name, record.stage, signer)


def deploy(home: Home, file: Path, *, trust: str = "", stage: str = "", by: str = "") -> Deployed:
    """Put the owned model of an archive into service in this home. Again changes nothing.

    Args:
        home: where.
        file: the archive.
        trust: the signer (hexadecimal) that a person vouches for, where this home does not know it yet.
        stage: instead of the one on which it was served.
        by: who says so, for the audit log.

    Raises:
        BundleRefused: it is not what was signed, or its signer is not trusted here.
        UsageError: `trust` is another signer, there is no such stage, or the home knows the task as another one.
        GateRefused: its certificate does not carry the stage here.
    """
    if not file.is_file():
        raise UsageError(f"there is no archive {file}", hint="freehold export TASK FILE.tar.gz makes one")
    by = by or whoever()
    bundles = home.path / "bundles"
    bundles.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=bundles, prefix=".deploy-"))
    try:
        unpacked = bundle.unpack(file, fresh)
        newly = _trusted(home, file, unpacked, trust.lower())
        how, certificate = unpacked.served, _certificate(fresh, unpacked)
        wanted = _stage(stage or how.stage)
        contract = bundle.read_contract(fresh)
        folder = bundles / how.student_id
        task = home.registry.adopt(how.task, restricted=how.data_class != "ordinary", by=by)
        if newly:
            bundle.trust(home.path, unpacked.verified.signer)
            home.registry.record(by, "signer.trusted", unpacked.verified.signer)
        _place(home, fresh, folder, certificate)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    home.registry.save_contract(task.id, contract, by=by)
    home.registry.add_student(unpacked.verified.manifest, folder, by=by)
    home.registry.add_certificate(certificate, by=by)
    home.registry.set_stage(
        task.id, wanted, by=by, reason="deployed", student_id=how.student_id, certificate_id=certificate.id
    )
    restricted = home.task_settings(task).data_class != "ordinary"
    return Deployed(how.student_id, task.name, wanted, certificate.id, restricted, unpacked.verified.signer, newly)


def _place(home: Home, fresh: Path, folder: Path, certificate: Certificate) -> None:
    """Put a verified bundle where this home keeps it.

    One of the same student that is there stays, with the evidence of its own, and gets the certificate that it lacks;
    one that could not be served, because it is damaged or its signer is not trusted any more, gives way.
    """
    bundle.recover(folder)
    if _serves(home, folder):
        if _evidence(folder, bundle.read_manifest(folder), certificate.id) is None:
            bundle.add_evidence(folder, certificate, bundle.signing_key(home.path))
        return
    old = fresh.with_name(f"{fresh.name}-old")
    if folder.exists():
        folder.rename(old)
    fresh.chmod(0o755)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _serves(home: Home, folder: Path) -> bool:
    try:
        return bundle.verify(folder, trusted=bundle.trusted_signers(home.path)).known_signer
    except BundleRefused:
        return False


def _trusted(home: Home, file: Path, unpacked: bundle.Unpacked, trust: str) -> bool:
    """Whether the signer is trusted only from now on, because a person says so.

    Raises:
        BundleRefused: it is not trusted.
        UsageError: the person vouches for another one.
    """
    signer = unpacked.verified.signer
    if signer in bundle.trusted_signers(home.path):
        return False
    if not trust:
        raise BundleRefused(
            f"{file} is signed by {signer}, whom this home does not trust",
            hint=f"compare that with what freehold export said there, then: freehold deploy {file} --trust {signer}",
            code="bundle_signer",
        )
    if trust != signer:
        raise UsageError(f"{file} is signed by {signer}, not by {trust}", hint="do not deploy it before you know why")
    return True


def _certificate(folder: Path, unpacked: bundle.Unpacked) -> Certificate:
    """The certificate under which it was served, out of the bundle's evidence."""
    wanted = unpacked.served.certificate_id
    found = _evidence(folder, unpacked.verified.manifest, wanted)
    if found is None:
        raise BundleRefused(f"the bundle does not hold the certificate {wanted}", code="bundle_evidence")
    return found


def _evidence(folder: Path, manifest: Manifest, certificate_id: str) -> Certificate | None:
    """The certificate of that id in a bundle; one that cannot be read, as of a later version, is none."""
    for name in sorted(manifest.files):
        if name.startswith(bundle.Layout.EVIDENCE):
            with suppress(msgspec.DecodeError):
                found = msgspec.json.decode((folder / name).read_bytes(), type=Certificate)
                if found.id == certificate_id:
                    return found
    return None


def _stage(text: str) -> Stage:
    match text:
        case "shadow" | "canary" | "full":
            return text
        case _:
            raise UsageError(f"{text!r} is no stage to deploy on", hint="--stage shadow|canary|full")
