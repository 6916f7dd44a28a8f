"""The decision about one task."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from .money import Assumption, Range, Source
from .task import TaskKind

VerdictWord = Literal[
    "keep_renting",
    "rent_smaller",
    "rent_open_weights",
    "host_open_weights",
    "own_student",
    "fine_tune_hosted",
    "fine_tune_own",
    "train_from_scratch",
    "not_enough_evidence",
]


class Option(msgspec.Struct, frozen=True):
    """One way to answer a task's calls, priced. `months_to_pay_back` and `crossover_calls` are None for never.

    `quality` says what is known of its answers: `certified`, `measured` or `unknown`. `allowed` False: a hard
    constraint removes it (`why_not`, which otherwise holds what is not known of its quality). `npv_usd`, by months:
    of choosing it instead of going on renting, so that renting is 0 and more is better.
    """

    word: VerdictWord
    name: str
    monthly_usd: Range
    one_off_usd: Range
    npv_usd: dict[str, Range]
    months_to_pay_back: float | None
    crossover_calls_per_month: float | None
    quality: Literal["certified", "measured", "unknown", "reference"]
    allowed: bool = True
    why_not: str = ""
    latency_ms: float | None = None
    breakdown_usd: dict[str, Decimal] = {}
    sources: tuple[Source, ...] = ()
    owned_share: float = 0.0
    notes: tuple[str, ...] = ()


class Flip(msgspec.Struct, frozen=True):
    """What would change the answer.

    `input` from `now` to `at` gives `to`. `at` None: nothing inside the range examined does.
    """

    input: str
    now: float
    at: float | None
    to: VerdictWord
    unit: str = ""


class Criterion(msgspec.Struct, frozen=True):
    """A classical criterion of renting or owning: which it speaks for, the answer, and what that rests on.

    It explains the answer of the money and changes nothing in it.
    """

    name: str
    speaks_for: Literal["renting", "owning"]
    answer: Literal["yes", "no", "not known"]
    rests_on: Literal["measured", "declared", "nothing"]
    evidence: str


class Declared(msgspec.Struct, frozen=True):
    """Something that somebody declared about the task: its value, where it was said, and what it did to the options."""

    name: str
    value: str
    origin: str
    effect: str


class Verdict(msgspec.Struct, frozen=True):
    """The answer for one task, with everything it rests on.

    `provisional` until quality is certified; then `to_find_out` says what that costs.
    """

    task_id: str
    task_name: str
    kind: TaskKind
    word: VerdictWord
    reason: str
    provisional: bool
    to_find_out: str
    calls_per_month: float
    months_observed: float
    volume_factor: float
    options: tuple[Option, ...]
    flips: tuple[Flip, ...]
    assumptions: tuple[Assumption, ...]
    probability_owning_wins: float
    sources: tuple[Source, ...]
    made_at: str
    warnings: tuple[str, ...] = ()
    declared: tuple[Declared, ...] = ()
    criteria: tuple[Criterion, ...] = ()
