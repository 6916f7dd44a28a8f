"""The ladder: train the cheapest student that suffices, and say plainly where none does.

Rungs are tried from the cheapest on held-out calls; the climb stops at the first that can keep nearly everything. Where
none suffices the best one is returned all the same, with the learning curve and what it extrapolates to.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from freehold.errors import UsageError
from freehold.vocabulary import Contract, Example, LearningPoint, TaskKind, Tried

from .protocol import Fitted, Trained
from .rungs import RUNGS, trainer_of
from .runtime import build

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STOP_AT = 0.95
"""A rung that can keep this share of the calls ends the climb: a dearer one has nothing left to win."""
SUFFICES_AT = 0.10
"""Below this keepable share a student does not suffice. What a share is worth in money is the verdict's question."""
TARGET_RISK = 0.05
N_FOLDS = 5
FOLDED_BELOW = 1_500
"""With fewer examples than this every one of them is held out once (cross-validation); with more, one split does."""
TEST_SHARE, MAX_TEST = 0.2, 2_000
CURVE_SHARES = (0.1, 0.25, 0.5)
ALWAYS_DRAWN = 0.1
"""A curve has two points at the least: this share of the examples, and all that were learned from."""
LAST_FIT = 1.3

Differs = Callable[[str, str], bool]


class _Measured(msgspec.Struct, frozen=True):
    rung: str
    point: LearningPoint
    keepable: float
    seconds: float


def train(
    task_name: str,
    kind: TaskKind,
    examples: Sequence[Example],
    contract: Contract,
    *,
    seed: int = 0,
    time_limit_s: float = 100.0,
    target_risk: float = TARGET_RISK,
) -> Trained:
    """Climb the ladder for one task.

    All of `examples` may be learned from: whoever wants to certify holds rows back first. `files` is a pure function of
    the chosen rung, the examples, the contract and the seed (`fit` makes the same bytes again). The clock decides only
    whether a further rung is tried and how many points the learning curve gets; it never cuts a fit short, so one very
    large fit can overrun `time_limit_s`.

    Raises:
        UsageError: there is nothing to learn from.
    """
    if not examples:
        raise UsageError(f"task {task_name!r} has no examples to learn from", code="no_examples")
    deadline = time.monotonic() + time_limit_s
    ordered = _shuffled(examples, seed)
    climb = _Climb(kind, contract, ordered, seed, target_risk, deadline)
    best, tried = climb.try_rungs()
    curve = climb.curve(best)
    fitted = fit(best.rung, ordered, contract, seed=seed)
    suffices = best.keepable >= SUFFICES_AT
    needed = 0 if suffices else climb.labels_needed(curve)
    return Trained(
        rung=best.rung,
        files=fitted.files,
        parameters=fitted.parameters,
        scope_threshold=fitted.scope_threshold,
        n_train=len(ordered),
        suffices=suffices,
        keepable=best.keepable,
        target_risk=target_risk,
        reason=_reason(best, target_risk, needed, suffices=suffices),
        labels_needed=needed,
        tried=tried,
        learning_curve=curve,
        n_parity=fitted.n_parity,
    )


def fit(rung: str, examples: Sequence[Example], contract: Contract, *, seed: int = 0) -> Fitted:
    """Fit one named rung on all of `examples`: what `train` ends with, and what rebuilding a bundle does.

    A pure function: the order in which examples come does not count.

    Raises:
        UsageError: there is nothing to learn from.
        BundleRefused: this version has no such rung.
    """
    if not examples:
        raise UsageError("there are no examples to learn from", code="no_examples")
    from threadpoolctl import threadpool_limits

    trainer = trainer_of(rung)
    with threadpool_limits(limits=1):
        return trainer.fit(_shuffled(examples, seed), contract, seed=seed)


class _Climb:
    """One climb: the held-out splits, the clock, and the loss by which answers are compared."""

    def __init__(
        self,
        kind: TaskKind,
        contract: Contract,
        examples: list[Example],
        seed: int,
        target_risk: float,
        deadline: float,
    ) -> None:
        self._kind: TaskKind = kind
        self._contract = contract
        self._examples = examples
        self._seed = seed
        self._target_risk = target_risk
        self._deadline = deadline
        self._splits = _splits(examples)
        self._differs = _loss(kind, contract.form)

    def try_rungs(self) -> tuple[_Measured, tuple[Tried, ...]]:
        """Measure each rung in turn; the best of them, cheaper ones first among equals, and the record of all."""
        best: _Measured | None = None
        tried: list[Tried] = []
        for rung in RUNGS:
            why_not = trainer_of(rung.name).can_learn(self._kind, self._examples, self._contract)
            if why_not:
                tried.append(Tried(rung.name, 0.0, 0, 0.0, f"not tried: {why_not}"))
                continue
            if best is not None and best.keepable >= STOP_AT:
                tried.append(Tried(rung.name, 0.0, 0, 0.0, f"not tried: {best.rung} suffices"))
                continue
            if time.monotonic() > self._deadline:
                tried.append(Tried(rung.name, 0.0, 0, 0.0, "not tried: out of time"))
                continue
            measured = self._measure(rung.name, self._splits)
            note = f"can keep {measured.keepable:.1%} at a risk of {self._target_risk:.0%}"
            tried.append(Tried(rung.name, measured.point.accuracy, measured.point.n_test, measured.seconds, note))
            if best is None or (measured.keepable, measured.point.accuracy) > (best.keepable, best.point.accuracy):
                best = measured
        if best is None:  # No rung has anything to hold on to: a memory that recognises nothing is the honest student.
            best = self._measure("memory", self._splits)
            tried.append(
                Tried("memory", best.point.accuracy, best.point.n_test, best.seconds, "nothing else can learn")
            )
        return best, tuple(tried)

    def curve(self, best: _Measured) -> tuple[LearningPoint, ...]:
        """The learning curve of a rung, from few examples to all that the splits allow, as far as time goes."""
        points: list[LearningPoint] = []
        pool, test = self._splits[0]
        whole = best.seconds / len(self._splits)
        for share in CURVE_SHARES:
            # The last fit, on everything, is still to come: keep time for it. A fit's time grows faster than its size.
            if share > ALWAYS_DRAWN and time.monotonic() + whole * (share + LAST_FIT) > self._deadline:
                break
            part = pool[: max(1, round(len(pool) * share))]
            points.append(self._measure(best.rung, [(part, test)]).point)
        return (*points, best.point)

    def labels_needed(self, curve: tuple[LearningPoint, ...]) -> int | None:
        """What the learning curve extrapolates to."""
        from ._measure import labels_needed

        return labels_needed(curve, self._target_risk)

    def _measure(self, rung: str, splits: Sequence[tuple[list[Example], list[Example]]]) -> _Measured:
        import numpy as np

        from ._measure import keepable_share, learning_point

        began = time.monotonic()
        parts = [self._held_out(rung, pool, test) for pool, test in splits]
        confidence, right, in_scope = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return _Measured(
            rung,
            learning_point(len(splits[0][0]), right),
            keepable_share(confidence, right, in_scope, self._target_risk),
            time.monotonic() - began,
        )

    def _held_out(
        self, rung: str, pool: list[Example], test: list[Example]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Confidence, rightness against the teacher, and scope of a student of `pool` on `test`."""
        import numpy as np

        fitted = fit(rung, pool, self._contract, seed=self._seed)
        answers = build(rung, fitted.files).answer_many([example.inputs for example in test])
        return (
            np.array([answer.confidence for answer in answers]),
            np.array([not self._differs(a.text, e.answer) for a, e in zip(answers, test, strict=True)]),
            np.array([answer.scope >= fitted.scope_threshold for answer in answers]),
        )


def _shuffled(examples: Sequence[Example], seed: int) -> list[Example]:
    """The examples in an order that depends on their content and the seed alone."""
    ordered = sorted(examples, key=lambda example: (example.id, example.inputs, example.answer))
    random.Random(seed).shuffle(ordered)
    return ordered


def _splits(examples: list[Example]) -> list[tuple[list[Example], list[Example]]]:
    """(to learn from, held out), once for large sets and once per fold for small ones."""
    n = len(examples)
    if n < 2:
        return [(examples, examples)]
    if n >= FOLDED_BELOW:
        n_test = min(round(n * TEST_SHARE), MAX_TEST)
        return [(examples[n_test:], examples[:n_test])]
    folds = min(N_FOLDS, n)
    return [([e for i, e in enumerate(examples) if i % folds != fold], examples[fold::folds]) for fold in range(folds)]


def _loss(kind: TaskKind, form: str) -> Differs:
    from freehold.evidence.losses import loss, loss_for

    return loss(loss_for(kind, form))


def _reason(best: _Measured, target_risk: float, needed: int | None, *, suffices: bool) -> str:
    agreement = f"agrees with the teacher on {best.point.accuracy:.1%} of {best.point.n_test} held-out calls"
    kept = f"could keep {best.keepable:.0%} of them at a risk of {target_risk:.0%}"
    if suffices:
        return f"{best.rung} suffices: it {agreement} and {kept}"
    more = "no number of labels is likely to" if needed is None else f"about {needed:,} labels might"
    return f"no student suffices: the best, {best.rung}, {agreement} and {kept}; {more} change that"
