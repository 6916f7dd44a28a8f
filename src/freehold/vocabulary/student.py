"""An owned model: what it learned from, what it answers, and what its bundle says of it."""

from __future__ import annotations

import msgspec

from .task import TaskKind


class Example(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call as a student sees it.

    The input slots' texts, and the teacher's answer in canonical form (see `wire.canonical`).

    `gold` is a person's answer, where there is one. It is never a training label by itself: it is what gold
    certificates are measured on.
    """

    id: str
    inputs: tuple[str, ...]
    answer: str
    gold: str | None = None
    started_at_us: int = 0


class Answer(msgspec.Struct, frozen=True):
    """A student's answer.

    `confidence` in [0, 1] orders answers; it is not a probability until a certificate gives it a threshold.

    `scope` in [0, 1] says how much the input resembles what the student learned from; below the bundle's
    `scope_threshold` it is out of scope. `model_ms` is CPU time spent.
    """

    text: str
    confidence: float
    scope: float
    model_ms: float = 0.0


class LearningPoint(msgspec.Struct, frozen=True):
    """One point of a learning curve.

    Trained on `n_train` examples, agreement with the teacher on `n_test` held-out ones, exact 95 % interval.
    """

    n_train: int
    n_test: int
    accuracy: float
    low: float
    high: float


class Tried(msgspec.Struct, frozen=True):
    """One rung of the ladder that was tried.

    Its name, agreement with the teacher on held-out examples, training time, and why it was kept or not.
    """

    rung: str
    accuracy: float
    n_test: int
    seconds: float
    note: str = ""


class Manifest(msgspec.Struct, frozen=True):
    """A bundle's `manifest.json`.

    Everything needed to check, run and rebuild it. `files` maps each file's path to its sha256.
    """

    schema: str
    student_id: str
    task_id: str
    task_name: str
    kind: TaskKind
    rung: str
    created_at: str
    template_ids: tuple[str, ...]
    contract_version: str
    dataset_digest: str
    n_train: int
    scope_threshold: float
    parameters: dict[str, str | int | float | bool]
    seed: int
    teacher: str
    code_version: str
    environment: dict[str, str]
    files: dict[str, str]
    learning_curve: tuple[LearningPoint, ...] = ()
    tried: tuple[Tried, ...] = ()
