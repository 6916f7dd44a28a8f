"""Training the structured student: answers in JSON, learned from (inputs, answer) pairs and nothing else.

It looks at what the answers are made of (`_analysis`), fits linear heads for closed values and a tagger for copied
ones, and learns from rows that it held back how sure to be of a whole answer. What it cannot explain it reports as lost
reach.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from freehold.errors import FreeholdError, UsageError
from freehold.students.protocol import Fitted, Parameters
from freehold.vocabulary import Contract, Example, TaskKind

from ._analysis import Row, analyse
from ._answers import canonical, read
from ._confidence import Confidence
from ._learning import MIN_CALIBRATION, Draft, draft, fit_confidence, student_of
from ._plan import Plan
from ._scope import Scope, Signs, calibrated, signs_of
from ._workers import run_jobs
from .runtime import StructuredStudent, prepared

ITERATIONS, HELD_OUT_ITERATIONS = 60, 40
"""Steps of L-BFGS, for the student and for the one that only shows how sure to be. At 30 the student loses half a point
of whole records; beyond 60 what is won is within noise."""
HELD_OUT = 4
"""Every so manieth row is held back once, to learn confidence and scope from; the student itself learns from all."""
SCOPE_THRESHOLD = 0.025
"""Share of familiar traffic given up for the out-of-scope gate."""
_ENOUGH_BELOW = 10
"""Held-out inputs below the threshold from which that share is known well enough."""
MIN_REACH = 0.2
_LOOK_AT = 2_000
_N_PARITY = 200


class StructuredTrainer:
    """Fits students whose answers are JSON objects, lists or values."""

    def can_learn(self, kind: TaskKind, examples: Sequence[Example], contract: Contract) -> str:  # noqa: ARG002
        """Useless where answers are no JSON, or their values come neither from the input nor from a closed set."""
        sample = examples[:: max(1, len(examples) // _LOOK_AT)]
        if contract.form in ("label", "text") or not _mostly_json(sample):
            return "answers are not JSON"
        plan, _ = analyse([(prepared(example.inputs)[0], example.answer) for example in sample])
        if plan.reach < MIN_REACH:
            return f"only {plan.reach:.0%} of the answers can be put together from what their inputs say"
        return ""

    def fit(self, examples: Sequence[Example], contract: Contract, *, seed: int) -> Fitted:  # noqa: ARG002
        """Learn from the teacher's answers. Draws nothing at random: the seed does not matter, the order does.

        Raises:
            UsageError: no answer is JSON.
        """
        plan, rows = analyse([(prepared(example.inputs)[0], example.answer) for example in examples])
        if not rows:
            raise UsageError("no answer is JSON, so there is nothing to learn", code="no_examples")
        confidence, scope, files = _fit(plan, rows)
        student = student_of(files)
        return Fitted(
            files,
            _parameters(plan, confidence),
            _scope_threshold(scope),
            _check_parity(student, files, rows),
        )


def _fit(plan: Plan, rows: Sequence[Row]) -> tuple[Confidence, Scope, dict[str, bytes]]:
    whole = draft(plan, rows, ITERATIONS)
    held = rows[::HELD_OUT]
    if len(held) < MIN_CALIBRATION:
        models = dict(zip(whole.jobs, run_jobs(list(whole.jobs.values())), strict=True))
        return Confidence(), whole.scope, whole.files(models, Confidence(), whole.scope)
    inner = draft(plan, [row for i, row in enumerate(rows) if i % HELD_OUT], HELD_OUT_ITERATIONS)
    done = run_jobs([*whole.jobs.values(), *inner.jobs.values()])
    models = dict(zip(whole.jobs, done[: len(whole.jobs)], strict=True))
    inner_models = dict(zip(inner.jobs, done[len(whole.jobs) :], strict=True))
    confidence, shown = _calibrate(inner, inner_models, held)
    scope = calibrated(whole.scope, shown)
    return confidence, scope, whole.files(models, confidence, scope)


def _calibrate(
    inner: Draft, models: dict[int, bytes], held: Sequence[Row]
) -> tuple[Confidence, list[tuple[int, Signs]]]:
    """What a student of the other rows makes of those held back."""
    student = student_of(inner.files(models, Confidence(), inner.scope))
    made = [student.predict(row.doc.inputs) for row in held]
    # Answers that the student itself gives up are no evidence of how sure to be of the others.
    tried = [(one, row) for one, row in zip(made, held, strict=True) if one.possible]
    signs = np.array([one.signs for one, _ in tried], dtype=np.float64)
    right = np.array([canonical(one.value) == row.answer for one, row in tried], dtype=np.bool_)
    shown = [(len(one.doc.words), signs_of(inner.scope, one.doc, one.seen)) for one in made]
    return fit_confidence(signs, right), shown


def _scope_threshold(scope: Scope) -> float:
    """The share to give up; with few inputs held out, nothing that looks as familiar as the strangest of them."""
    if len(scope.knots) * SCOPE_THRESHOLD >= _ENOUGH_BELOW:
        return SCOPE_THRESHOLD
    return 1.0 / len(scope.knots) if scope.knots else 0.0


def _check_parity(student: StructuredStudent, files: dict[str, bytes], rows: Sequence[Row]) -> int:
    """Load the files once more and compare answers. The heads as fitted were compared with the stored ones before."""
    again = StructuredStudent.from_files(dict(files))
    inputs = [row.doc.inputs for row in rows[:_N_PARITY]]
    for one in inputs:
        a, b = student.answer(one), again.answer(one)
        if (a.text, a.confidence, a.scope) != (b.text, b.confidence, b.scope):
            raise FreeholdError("a structured student answers differently once loaded", code="parity")
    return len(inputs)


def _parameters(plan: Plan, confidence: Confidence) -> Parameters:
    return {
        "iterations": ITERATIONS,
        "token_level": plan.level,
        "n_leaves": len(plan.leaves),
        "n_copied": sum(leaf.role == "copied" for leaf in plan.leaves),
        "n_labels": len(plan.labels),
        "n_parts": plan.n_parts,
        "reach": round(plan.reach, 6),
        "confidence_learned": bool(confidence.weights),
    }


def _mostly_json(examples: Sequence[Example]) -> bool:
    n = 0
    for example in examples:
        try:
            n += isinstance(read(example.answer), dict | list)
        except ValueError:
            continue
    return n * 2 >= max(1, len(examples))
