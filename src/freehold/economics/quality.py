"""What is known of how good each option's answers are. Facts in, no judgement."""

from __future__ import annotations

import msgspec

from freehold.vocabulary import Certificate, TaskKind


class RivalQuality(msgspec.Struct, frozen=True):
    """How another model did on this task's own calls: share of answers as good as today's, with its exact interval."""

    share: float
    low: float
    high: float
    n: int


class QualityFacts(msgspec.Struct, frozen=True):
    """What was measured about a task's answers.

    `certificate`: the latest for its student, certified or not; None where none was asked for. `coverage_measured`:
    share of calls that a student kept at the promised risk in a measurement that is no certificate (a learning
    curve, say). `student_ms`: CPU time of one owned answer. `rivals`: measured other models, by name as the option
    shows it. `gold_labels`: people's answers at hand.
    """

    kind: TaskKind = "unknown"
    certificate: Certificate | None = None
    coverage_measured: float | None = None
    student_ms: float | None = None
    rivals: dict[str, RivalQuality] = {}
    gold_labels: int = 0
    alpha: float = 0.05
    delta: float = 0.05
    against: str = "teacher"
    audit_share: float = 0.02
