"""What is known of how good each option's answers are. Facts in, no judgement."""

from __future__ import annotations

from typing import Literal

import msgspec

from freehold.vocabulary import Certificate, TaskKind

RivalSource = Literal["rehearsal", "same inputs", "other calls"]
"""How a rival was measured. `rehearsal`: on a random sample of the task's own calls. `same inputs`: on inputs that the
log holds answered by both models. `other calls`: each model on the calls that went to it. Which calls the last two are
about was not drawn at random, so that they tell where to look and decide nothing."""


class RivalQuality(msgspec.Struct, frozen=True):
    """How another model did on this task's calls.

    `model`: the catalogue's name for it, or the one it was asked by; `provider`: who was asked. `share` of the `n`
    answers is as good as today's (`against` "recorded": the same), or right ("gold"), with an exact 95 % interval.
    `today_share`: of today's model, right, against gold. `worse_upper`: with the confidence of the task's promise, at
    most this share of the answers gets worse by the swap. `more_calls`: how many calls in all might settle it, None
    where none would. `text`: what was measured, and on what. `token_ratio`: its tokens per token of today's model, as
    costs weigh them; None where too few calls tell. `latency_ms`: the median. `unjudged`: only words could be compared,
    and `share` is a floor.
    """

    model: str
    share: float
    low: float
    high: float
    n: int
    worse_upper: float = 1.0
    source: RivalSource = "rehearsal"
    against: Literal["recorded", "gold"] = "recorded"
    today_share: float | None = None
    more_calls: int | None = None
    text: str = ""
    token_ratio: float | None = None
    latency_ms: float | None = None
    provider: str = ""
    id: str = ""
    made_at: str = ""
    unjudged: bool = False


class QualityFacts(msgspec.Struct, frozen=True):
    """What was measured about a task's answers.

    `certificate`: the latest for its student, certified or not; None where none was asked for. `coverage_measured`:
    share of calls that a student kept at the promised risk in a measurement that is no certificate (a learning
    curve, say). `student_ms`: CPU time of one owned answer. `rivals`: measured other models. `gold_labels`: people's
    answers at hand. `judged_by_people`: no scorer can tell whether two answers to it mean the same, as of free text.
    """

    kind: TaskKind = "unknown"
    certificate: Certificate | None = None
    coverage_measured: float | None = None
    student_ms: float | None = None
    rivals: tuple[RivalQuality, ...] = ()
    gold_labels: int = 0
    alpha: float = 0.05
    delta: float = 0.05
    against: str = "teacher"
    audit_share: float = 0.02
    judged_by_people: bool = True
