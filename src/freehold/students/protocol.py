"""What every student, and every trainer of one, looks like to the rest of the house.

A rung of the ladder is one folder with two halves that share nothing but files: a trainer, which may import whatever
it likes, and a runtime class, which is built from the trainer's files and imports little. Nothing here knows how any
model works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from freehold.vocabulary import Answer, Contract, Example, LearningPoint, TaskKind, Tried

Parameters = dict[str, str | int | float | bool]


class Student(Protocol):
    """An owned model in memory, ready to answer. Deterministic, single-threaded, and never raises on odd input."""

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Student:
        """Build the student from its trainer's files (path inside the bundle to content).

        Raises:
            BundleRefused: a file is missing or cannot be read as what it should be.
        """
        ...

    def answer(self, inputs: tuple[str, ...]) -> Answer:
        """Answer one call, given the texts of its input slots in order."""
        ...

    def answer_many(self, many: Sequence[tuple[str, ...]]) -> list[Answer]:
        """Answer several calls: the same answers as one by one, perhaps sooner."""
        ...


class Fitted(msgspec.Struct, frozen=True):
    """What a trainer leaves: the student's files, and how it was made.

    `parameters` holds every choice the training made (regularisation, sizes, temperature), for the manifest and the
    card. Below `scope_threshold` an answer's `scope` counts as out of scope; 0 where the rung has no gate. `n_parity`
    inputs were answered alike by the model as trained and by the student built from `files`: a trainer raises rather
    than leave a student that differs.
    """

    files: dict[str, bytes]
    parameters: Parameters
    scope_threshold: float = 0.0
    n_parity: int = 0


class Trainer(Protocol):
    """Fits one kind of student.

    `fit` is a pure function of its arguments: same examples, contract and seed, same bytes, on any number of cores. It
    therefore never looks at the clock; it keeps its work bounded by the sizes of what it is given.
    """

    def can_learn(self, kind: TaskKind, examples: Sequence[Example], contract: Contract) -> str:
        """Say why this rung is of no use for the task, or "" where it is worth trying."""
        ...

    def fit(self, examples: Sequence[Example], contract: Contract, *, seed: int) -> Fitted:
        """Learn from the teacher's answers in `examples` (never from `gold`)."""
        ...


class Trained(msgspec.Struct, frozen=True):
    """What climbing the ladder came to.

    `files` holds the best student even where `suffices` is False, so that a certificate can say how far it falls
    short. `keepable` is the share of held-out calls that rung could answer with the risk of disagreeing with the
    teacher bounded by `target_risk`: an estimate made in training, never a promise. `labels_needed` extrapolates the
    learning curve (0 where it suffices, None where no number of labels is likely to). `reason` says it in words.
    `n_parity`: see `Fitted`.
    """

    rung: str
    files: dict[str, bytes]
    parameters: Parameters
    scope_threshold: float
    n_train: int
    suffices: bool
    keepable: float
    target_risk: float
    reason: str
    labels_needed: int | None
    tried: tuple[Tried, ...]
    learning_curve: tuple[LearningPoint, ...]
    n_parity: int
