"""A promise about a student, and what it rests on."""

from __future__ import annotations

from typing import Literal

import msgspec

Against = Literal["teacher", "gold"]
"""`teacher`: risk of disagreeing with the rented model. `gold`: risk of being wrong, judged by people's answers."""


class Interval(msgspec.Struct, frozen=True):
    """A two-sided interval at `level`, exact (Clopper-Pearson) unless its owner says otherwise."""

    low: float
    high: float
    level: float = 0.95


class Certificate(msgspec.Struct, frozen=True):
    """A promise: at most alpha of the answers kept at `threshold` are wrong.

    It holds with probability at least 1 - delta over the draw of the calibration calls. "Wrong" is against `against`.
    `certified` False means that no threshold can be promised; then `threshold` is None, and `best_risk_upper` is the
    best bound reached. It covers only the prompt, schema and label versions in `template_ids` and `contract_version`,
    and only traffic that is exchangeable with the calibration calls: drift voids it, which is what the audit stream
    watches for. `labels_needed` is an estimate of how many more labelled calls might suffice (0 when certified, None
    when no number of labels is likely to).
    """

    id: str
    task_id: str
    student_id: str
    certified: bool
    alpha: float
    delta: float
    against: Against
    n: int
    threshold: float | None
    scope_threshold: float
    coverage: float
    coverage_interval: Interval
    n_kept: int
    n_errors: int
    risk: float
    risk_upper: float
    best_risk_upper: float
    labels_needed: int | None
    reason: str
    template_ids: tuple[str, ...]
    contract_version: str
    label_source: str
    calls_from_us: int
    calls_to_us: int
    issued_at: str
    method: str = "learn-then-test, fixed sequence, exact binomial"
