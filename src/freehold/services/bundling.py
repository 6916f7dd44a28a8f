"""What a person does with a bundle: copy it out, check it, train it again."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from freehold.settings import load
from freehold.students import bundle, ladder
from freehold.vocabulary import Manifest, Task

from .certifying import latest_student
from .home import Home


class VerifiedReport(msgspec.Struct, frozen=True):
    """A bundle that is what its signer signed. `known_signer`: the key is this home's own, or one it trusts.

    `stage`: on which it was served, where it came in an archive that says so; else "".
    """

    student_id: str
    task_name: str
    kind: str
    rung: str
    signer: str
    known_signer: bool
    n_files: int
    verified: bool = True
    stage: str = ""

    def in_words(self) -> str:
        """The report for a person."""
        whose = "a key that this home trusts" if self.known_signer else "a key that this home does not know"
        serves = f" Deployed, it serves on stage {self.stage}." if self.stage else ""
        return (
            f"{self.student_id} ({self.rung} student of {self.task_name}) is whole: {self.n_files} files, each as "
            f"it was signed, by {whose} ({self.signer[:16]}…).{serves}"
        )


class RebuiltReport(msgspec.Struct, frozen=True):
    """A student trained again from its bundle, and the files that came out differently."""

    student_id: str
    identical: bool
    differing: tuple[str, ...]
    environment_differs: dict[str, tuple[str, str]]

    def in_words(self) -> str:
        """The report for a person."""
        if self.identical:
            return f"{self.student_id}: trained again from its own data, every weight is the same, bit for bit."
        changed = ", ".join(f"{name} {was} -> {now}" for name, (was, now) in self.environment_differs.items())
        cause = f" The environment differs: {changed}." if changed else ""
        return f"{self.student_id}: these files came out differently: {', '.join(self.differing)}.{cause}"


def export(home: Home, task: Task, folder: Path) -> str:
    """Copy the task's newest student to `folder`.

    Raises:
        MissingPrerequisite: the task has no student.
        BundleRefused: its bundle was changed.
        UsageError: `folder` holds something already.
    """
    manifest, source = latest_student(home, task)
    bundle.export(source, folder)
    return f"{manifest.student_id} is in {folder}; check it anywhere with: freehold verify {folder}"


def verify(path: Path) -> VerifiedReport:
    """Check a bundle, or an archive with one, wherever it came from.

    Raises:
        BundleRefused: anything about it is not what was signed.
        OSError: there is no such archive, or it cannot be read.
    """
    stage = ""
    trusted = bundle.trusted_signers(load().home)
    if path.is_file() or (bundle.is_archive(path) and not path.is_dir()):
        with tempfile.TemporaryDirectory(prefix="freehold-verify-") as folder:
            unpacked = bundle.unpack(path, Path(folder))
            verified, stage = unpacked.verified, unpacked.served.stage
    else:
        verified = bundle.verify(path, trusted=trusted)
    manifest = verified.manifest
    return VerifiedReport(
        manifest.student_id,
        manifest.task_name,
        manifest.kind,
        manifest.rung,
        verified.signer,
        verified.signer in trusted,
        len(manifest.files),
        stage=stage,
    )


def rebuild(folder: Path) -> RebuiltReport:
    """Train a bundle's student again from its own data and compare every file of the student.

    Raises:
        BundleRefused: the bundle does not verify.
    """
    from .training import environment

    manifest = bundle.verify(folder).manifest
    examples = bundle.read_examples(folder)
    fitted = ladder.fit(manifest.rung, examples, bundle.read_contract(folder), seed=manifest.seed)
    differing = sorted(name for name, content in fitted.files.items() if not _same(folder / name, content)) + sorted(
        name for name in _student_files(manifest) if name not in fitted.files
    )
    now = environment()
    changed = {k: (v, now.get(k, "")) for k, v in manifest.environment.items() if now.get(k) != v}
    return RebuiltReport(manifest.student_id, not differing, tuple(differing), changed)


def _student_files(manifest: Manifest) -> list[str]:
    return [name for name in manifest.files if bundle.Layout.is_model_file(name)]


def _same(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content
