"""From rows taken apart to a student's files: lexicon, heads, taggers, scope."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as save_tensors

from ._analysis import Row
from ._confidence import SIGNS, Confidence
from ._heads import Choice, FittedHeads, choices_of, fit_heads
from ._lexicon import Lexicon, count
from ._linear import Head
from ._plan import OTHER, Plan
from ._scope import Scope, learn_scope
from ._workers import TaggerJob
from .runtime import (
    LEXICON,
    SCOPE,
    STUDENT,
    VOCABULARY,
    WEIGHTS,
    Description,
    Part,
    StructuredStudent,
    leaf_set,
    tagger_file,
)

MIN_CALIBRATION = 60
"""Held-out rows below which confidence is the models' own probability."""
_CONFIDENCE_PENALTY = 1.0
_FEATURES = 70
_MAX_WORK = 40e6
"""Tokens times (features + labels squared): about 45 s of one core. The two public tasks need 3 to 10 million."""


class Draft(msgspec.Struct):
    """A student whose taggers are still to be fitted: `jobs` by part."""

    plan: Plan
    lexicon: Lexicon
    parts: list[Part]
    jobs: dict[int, TaggerJob]
    discriminator: Head | None
    heads: FittedHeads | None
    scope: Scope

    def files(self, models: dict[int, bytes], confidence: Confidence, scope: Scope) -> dict[str, bytes]:
        """The student's files."""
        parts = tuple(
            msgspec.structs.replace(part, tagged=bool(models.get(number))) for number, part in enumerate(self.parts)
        )
        about = Description(self.plan, parts, self.discriminator, confidence)
        out = {
            STUDENT: _encoded(about),
            LEXICON: _encoded(self.lexicon),
            SCOPE: _encoded(scope),
        }
        out.update({tagger_file(number): model for number, model in models.items() if model})
        if self.heads is not None:
            out[VOCABULARY] = _encoded(self.heads.vocabulary)
            out[WEIGHTS] = save_tensors({"idf": self.heads.idf, "weights": self.heads.weights})
        return out


def draft(plan: Plan, rows: Sequence[Row], iterations: int) -> Draft:
    """Learn all but the taggers. Taggers and lexicon learn from rows that the plan explains; heads from all."""
    good = [row for row in rows if row.explained]
    lexicon = count((row.doc, row.spans) for row in good)
    members = [[i for i, row in enumerate(rows) if part_of(plan, row) == p] for p in range(plan.n_parts)]
    sorted_out = [choices_of(plan, rows, part) for part in members]
    first: list[Choice] = []
    if plan.discriminator >= 0:
        known = [i for i, row in enumerate(rows) if part_of(plan, row) >= 0]
        first = [Choice(plan.discriminator, known, [rows[i].classes[plan.discriminator] for i in known])]
    choices = first + [choice for found in sorted_out for choice in found.choices]
    heads = fit_heads(rows, choices, plan.level) if choices else None
    left = list(heads.heads) if heads else []
    discriminator = left.pop(0) if first else None
    parts: list[Part] = []
    jobs: dict[int, TaggerJob] = {}
    for number, found in enumerate(sorted_out):
        mine, left = tuple(left[: len(found.choices)]), left[len(found.choices) :]
        learned = [rows[i] for i in members[number] if rows[i].explained]
        sets = Counter(leaf_set({leaf for s in row.spans for leaf in plan.labels[s.label]}) for row in learned)
        parts.append(Part(False, found.fixed, mine, dict(sorted(sets.items())), len(learned)))
        jobs[number] = TaggerJob(
            [(row.doc.inputs, row.spans) for row in _affordable(learned)],
            plan.level,
            plan.headings,
            plan.context,
            lexicon,
            iterations,
        )
    return Draft(plan, lexicon, parts, jobs, discriminator, heads, learn_scope([row.doc for row in rows]))


def _affordable(rows: Sequence[Row]) -> Sequence[Row]:
    """As many rows, from the first, as a tagger can learn from in bearable time.

    A step of L-BFGS costs each token its features and the square of the number of labels.
    """
    used = {span.label for row in rows for span in row.spans}
    work = 0.0
    for i, row in enumerate(rows):
        work += len(row.doc.words) * (_FEATURES + len(used) ** 2)
        if work > _MAX_WORK:
            return rows[:i] or rows[:1]
    return rows


def part_of(plan: Plan, row: Row) -> int:
    """The part a training row belongs to; -1 where its discriminator has no known value."""
    if plan.discriminator < 0:
        return 0
    return plan.parts.get(row.classes.get(plan.discriminator, OTHER), -1)


def fit_confidence(signs: NDArray[np.float64], right: NDArray[np.bool_]) -> Confidence:
    """Weigh the signs of doubt by what became of held-out answers."""
    n_rare = int(min(right.sum(), (~right).sum()))
    if len(right) < MIN_CALIBRATION or n_rare < 5:
        return Confidence()
    from sklearn.linear_model import LogisticRegression

    centre, scale = signs.mean(axis=0), signs.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    model = LogisticRegression(C=_CONFIDENCE_PENALTY, max_iter=1_000)
    model.fit((signs - centre) / scale, right)
    assert signs.shape[1] == len(SIGNS)
    return Confidence(
        tuple(float(w) for w in np.asarray(model.coef_)[0]),
        tuple(float(c) for c in centre),
        tuple(float(s) for s in scale),
        float(np.asarray(model.intercept_)[0]),
    )


def student_of(files: dict[str, bytes]) -> StructuredStudent:
    """The student as it will be loaded."""
    return StructuredStudent.from_files(files)


def _encoded(value: object) -> bytes:
    return msgspec.json.encode(value)  # Every mapping was filled in a fixed order.
