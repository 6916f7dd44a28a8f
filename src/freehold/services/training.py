"""Training a task's student: calls become examples, examples a bundle, and the registry remembers it."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import msgspec

import freehold
from freehold.errors import MissingPrerequisite
from freehold.students import bundle, curation, ladder
from freehold.students.protocol import Trained
from freehold.tasks import contracts
from freehold.vocabulary import Contract, Example, LearningPoint, Manifest, Task, Tried

from .contracting import contract
from .examples import Gathered, Split, covered_versions, gather, split
from .home import Home, Progress, silent

MIN_EXAMPLES = 45
"""Fewer calls than this are not worth a training run: nothing could be held out to judge it."""
HELD_OUT_FROM, GOLD_BELOW = "held_out_from_us", "gold_held_back_below"
"""The manifest's parameters that say which calls the student never saw (see `examples.Split`)."""

KEEPABLE = "keepable"
"""The manifest's parameter that says what share of calls the student could keep, as estimated in training."""


class TrainingReport(msgspec.Struct, frozen=True):
    """What a training run came to. `suffices` False: no promise is likely; `reason` says why."""

    task: str
    student_id: str
    bundle: str
    rung: str
    suffices: bool
    reason: str
    n_calls: int
    n_train: int
    n_held_out: int
    n_gold_held_out: int
    keepable: float
    labels_needed: int | None
    left_out: dict[str, int]
    curated_out: dict[str, int]
    tried: tuple[Tried, ...]
    learning_curve: tuple[LearningPoint, ...]


def train(
    home: Home, task: Task, *, seed: int = 0, time_limit_s: float = 100.0, progress: Progress | None = None
) -> TrainingReport:
    """Train the cheapest student of `task` that suffices, write its bundle and register it.

    Raises:
        MissingPrerequisite: too few usable calls; the message says how many there are and how many are needed.
    """
    say = progress or silent
    say(f"{task.name}: gathering examples")
    gathered = gather(home.recognised(task_id=task.id), home.audit_share(task))
    divided = split(gathered)
    if len(divided.train) < MIN_EXAMPLES:
        raise MissingPrerequisite(
            f"task {task.name} has {len(gathered.examples)} usable calls; {MIN_EXAMPLES * 4 // 3} are the least",
            hint="record or import more of its calls",
            code="too_few_calls",
        )
    agreed = _contract(home, task, divided.train)
    curated = curation.curate(divided.train, agreed)
    say(f"{task.name}: training on {len(curated.examples)} examples")
    trained = ladder.train(task.name, task.kind, curated.examples, agreed, seed=seed, time_limit_s=time_limit_s)
    manifest = _write(home, task, agreed, gathered, divided, curated, trained, seed)
    return TrainingReport(
        task=task.name,
        student_id=manifest.student_id,
        bundle=f"bundles/{manifest.student_id}",
        rung=trained.rung,
        suffices=trained.suffices,
        reason=trained.reason,
        n_calls=len(gathered.examples),
        n_train=trained.n_train,
        n_held_out=len(divided.held_out),
        n_gold_held_out=len(divided.gold),
        keepable=trained.keepable,
        labels_needed=trained.labels_needed,
        left_out=gathered.left_out,
        curated_out=curated.card["left_out"],
        tried=trained.tried,
        learning_curve=trained.learning_curve,
    )


def _write(
    home: Home,
    task: Task,
    agreed: Contract,
    gathered: Gathered,
    divided: Split,
    curated: curation.Curated,
    trained: Trained,
    seed: int,
) -> Manifest:
    draft = Manifest(
        schema="",
        student_id="",
        task_id=task.id,
        task_name=task.name,
        kind=task.kind,
        rung=trained.rung,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        template_ids=covered_versions(curated.examples, gathered.versions),
        contract_version=agreed.version,
        dataset_digest="",
        n_train=trained.n_train,
        scope_threshold=trained.scope_threshold,
        parameters=trained.parameters | _held_back(divided) | {KEEPABLE: trained.keepable} | _counted(curated.card),
        seed=seed,
        teacher=gathered.teacher,
        code_version=freehold.__version__,
        environment=environment(),
        files={},
        learning_curve=trained.learning_curve,
        tried=trained.tried,
    )
    files = trained.files | {
        bundle.Layout.CONTRACT: msgspec.json.format(msgspec.json.encode(agreed)),
        bundle.Layout.DATA: bundle.encode_examples(curated.examples),
    }
    manifest, _ = bundle.compose(draft, files)
    folder = home.path / "bundles" / manifest.student_id
    if not folder.exists():  # the same calls and seed make the same student again
        manifest = bundle.write(folder, draft, files, bundle.signing_key(home.path))
    home.registry.add_student(manifest, folder)
    return manifest


def _contract(home: Home, task: Task, train: Sequence[Example]) -> Contract:
    """The contract that the student must keep: a person's, where one signed it, else what its own examples keep to.

    Examples do not know how their answers ended or what they took, so a contract learned from them is silent on it.
    """
    agreed = contract(home, task)
    if agreed.signed_by:
        return agreed
    return contracts.learn([e.answer for e in train], templates=task.templates, inputs=[e.inputs for e in train])


def _held_back(divided: Split) -> dict[str, str | int | float | bool]:
    return {HELD_OUT_FROM: divided.from_us, GOLD_BELOW: divided.gold_below}


def _counted(card: dict[str, Any]) -> dict[str, str | int | float | bool]:
    """What curation left out and found, for the bundle's cards."""
    counts = {f"curation.{reason}": n for reason, n in card["left_out"].items() if n}
    return counts | {"curation.rows_with_personal_data": card["personal_data"]["rows_flagged"]}


def environment() -> dict[str, str]:
    """The versions that a student's weights may depend on."""
    packages = ("numpy", "scipy", "scikit-learn", "python-crfsuite")
    return {"python": platform.python_version(), "machine": platform.machine()} | {p: version(p) for p in packages}
