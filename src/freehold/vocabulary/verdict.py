"""The decision about one task."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from .money import Assumption, Range, Source
from .risk import Estimate, Risk, VolumeRange
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

OWNED_WORDS: frozenset[VerdictWord] = frozenset(
    {"own_student", "host_open_weights", "fine_tune_own", "train_from_scratch"}
)
"""The answers after which a model is one's own: a student, or weights on machines that one hires or buys."""


class Option(msgspec.Struct, frozen=True):
    """One way to answer a task's calls, priced. `months_to_pay_back` and `crossover_calls` are None for never.

    `months_to_pay_back` is of the median scenario; `pays_back_share` of the scenarios pay back within five years.

    `quality` says what is known of its answers: `certified`, `measured` or `unknown`. `allowed` False: a hard
    constraint removes it (`why_not`, which otherwise holds what is not known of its quality). `npv_usd`, by months:
    of choosing it instead of going on renting, so that renting is 0 and more is better.

    `crossover_ranges`: the volumes at which it beats renting, a set because machines and people come in steps.
    `probability_wins`: share of the scenarios in which the verdict's rule picks it among the options that may be chosen
    and itself, so that for one nobody measured it holds if its answers are good enough. `regret_usd`: what choosing it
    now is expected to lose against the best choice in hindsight. `waiting_usd`: choosing between it and renting after
    six months, instead of now. None where that makes no sense. `needs`: the assumptions, by name, that its figures
    depend on.
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
    crossover_ranges: tuple[VolumeRange, ...] = ()
    probability_wins: float | None = None
    regret_usd: Estimate | None = None
    waiting_usd: Estimate | None = None
    needs: tuple[str, ...] = ()
    pays_back_share: float | None = None


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


class Step(msgspec.Struct, frozen=True):
    """One step from today's bill to owned weights: which option, its median month, and the change from the step before.

    The swap of the model and the ownership are steps of their own, so that neither takes the credit of the other.
    """

    name: str
    option: str
    monthly_usd: Decimal
    change_usd: Decimal


class Declared(msgspec.Struct, frozen=True):
    """Something that somebody declared about the task: its value, where it was said, and what it did to the options."""

    name: str
    value: str
    origin: str
    effect: str


class Verdict(msgspec.Struct, frozen=True):
    """The answer for one task, with everything it rests on.

    `provisional` until quality is certified; then `to_find_out` says what that costs. `chosen`: the option by name, ""
    where none is named.
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
    risk: Risk | None = None
    chosen: str = ""
    steps: tuple[Step, ...] = ()
    from_scratch: str = ""

    @property
    def today(self) -> Option | None:
        """Going on as today, with the same model used as it is; None where nobody knows what that costs."""
        return next((option for option in self.options if option.word == "keep_renting"), None)
