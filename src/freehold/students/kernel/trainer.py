"""Fitting a kernel student."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from freehold.errors import BundleRefused
from freehold.students._text import normalise
from freehold.students.protocol import Fitted, Parameters
from freehold.vocabulary import Contract, Example, TaskKind

from ._core import BOTH, NETS_SHARE, Core, Labelled, learn, vocabulary, weights
from ._gate import (
    confidence_head,
    head_output,
    learned_from,
    operating_threshold,
    rehearse,
    scope_head,
    scope_threshold,
)
from ._model import dump
from ._names import words_of
from ._nets import said
from ._rows import LATENT_WEIGHT, NEAR_WEIGHT
from ._signals import expand
from .runtime import KernelStudent

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

MAX_ROWS = 10_000
MAX_CLASSES = 500
MAX_DUAL = 4_000_000
"""Rows times classes: what an answer multiplies. With more rows than fit, a sample is remembered."""
FEW_PER_CLASS = 20
MIN_REPEATED = 0.05
MIN_CHOSEN = 0.10
"""Where answers are too many to be classes, those that are must give this share of the calls."""
MOSTLY = 0.5
COMPOSED_KINDS: frozenset[TaskKind] = frozenset({"extraction", "structured"})
TARGET_RISK = 0.05
N_PARITY = 100
PARITY_TOLERANCE = 2e-3


class KernelTrainer:
    """Learns a closed set of answers: labels, or any answers that come again and again."""

    def can_learn(self, kind: TaskKind, examples: Sequence[Example], contract: Contract) -> str:  # noqa: ARG002
        """Useless where answers never vary, hardly ever repeat, or are put together from the input."""
        counts = Counter(_canonical(example.answer) for example in examples)
        if len(counts) < 2:
            return "answers never vary"
        if kind in COMPOSED_KINDS and len(counts) > MAX_CLASSES:
            return f"{len(counts)} distinct answers are put together, not chosen"
        repeated = sum(count for count in counts.values() if count > 1)
        if repeated < MIN_REPEATED * len(examples):
            return f"only {repeated} of {len(examples)} answers occur more than once"
        objects = {answer: count for answer, count in counts.items() if _is_object(answer)}
        n_objects = sum(objects.values())
        if n_objects > MOSTLY * len(examples) and len(objects) > MOSTLY * n_objects:
            return f"{len(objects)} of {len(examples)} answers are distinct objects, put together and not chosen"
        chosen = sum(count for _, count in counts.most_common(MAX_CLASSES - 1) if count > 1)
        if len(counts) > MAX_CLASSES and chosen < MIN_CHOSEN * len(examples):
            return f"{len(counts)} distinct answers, the commonest make up {chosen / len(examples):.1%} of the calls"
        return ""

    def fit(self, examples: Sequence[Example], contract: Contract, *, seed: int) -> Fitted:
        """Fit on all of `examples`, in the order given; of the contract, the names of labels that none of them has."""
        core = learn(_labelled(examples)._replace(untaught=_untaught(examples, contract)), seed)
        heads, threshold, operating = _learn_to_judge(core, seed)
        files = dump(vocabulary(core), weights(core, heads))
        parameters: Parameters = {
            "n_rows": len(core.labelled.inputs),
            "n_classes": core.labelled.n_classes,
            "n_untaught": len(core.labelled.untaught),
            "n_features": len(core.rows.idf),
            "n_latent": int(core.rows.latent.shape[1]),
            "min_df": core.rows.min_df,
            "ridge": core.strength,
            "near_weight": NEAR_WEIGHT,
            "latent_weight": LATENT_WEIGHT,
            "nets_share": NETS_SHARE,
            "n_nets": len(core.nets.inner),
            "left_out_agreement": round(float(core.right.mean()), 6),
            "operating_confidence": round(operating, 6),
            "gate_learned_from": learned_from(core),
        }
        return Fitted(files, parameters, threshold, _parity(files, core))


def _learn_to_judge(core: Core, seed: int) -> tuple[F32, float, float]:
    """Both heads, the scope threshold, and the confidence at which the student is likely to be run."""
    confidence = confidence_head(core.standard, core.right)
    expanded = expand(core.standard)
    sure = head_output(expanded, confidence)
    operating = operating_threshold(sure, core.right, TARGET_RISK)
    scope = scope_head(rehearse(core, seed), confidence, operating)
    threshold = scope_threshold(head_output(expanded, scope), sure, core.right, TARGET_RISK)
    return np.stack([confidence, scope]).astype(np.float32), threshold, operating


def _parity(files: dict[str, bytes], core: Core) -> int:
    """Scores of the student built from its files against those of the model as trained, on the first rows."""
    student = KernelStudent.from_files(files)
    n = min(N_PARITY, len(core.similarity))
    nets = said(core.nets.logits(core.rows.directions[:n]))
    trained = np.exp(BOTH * (core.similarity[:n] - 1)) @ core.ridge.dual + NETS_SHARE * nets.probability
    served = np.stack([student.scores(inputs) for inputs in core.labelled.inputs[:n]])
    worst = float(np.abs(trained - served).max())
    if not worst < PARITY_TOLERANCE:
        raise BundleRefused(f"the served student differs from the trained one by {worst:.2g}", code="parity")
    return n


def _canonical(answer: str) -> str:
    return unicodedata.normalize("NFC", answer).strip()


def _is_object(answer: str) -> bool:
    """Is the answer a JSON object? Looks at its two ends: what stands between them does not matter here."""
    return answer.startswith("{") and answer.endswith("}")


def _labelled(examples: Sequence[Example]) -> Labelled:
    """Examples as classes: each distinct answer one, in its commonest spelling; rare ones together where too many."""
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        spellings[_canonical(example.answer)][example.answer] += 1
    ranked = sorted(spellings, key=lambda answer: (-spellings[answer].total(), answer))
    closed = len(ranked) <= min(MAX_CLASSES, max(2, len(examples) // 4))
    named = ranked if closed else [answer for answer in ranked if spellings[answer].total() > 1][: MAX_CLASSES - 1]
    named = sorted(named or ranked[:1])
    index = {answer: i for i, answer in enumerate(named)}
    row_class = np.array([index.get(_canonical(example.answer), len(named)) for example in examples], np.int64)
    chosen = _sample(row_class, len(named) + 1)
    n_slots = max(len(example.inputs) for example in examples)
    inputs = [examples[i].inputs + ("",) * (n_slots - len(examples[i].inputs)) for i in chosen]
    answers = [min(spellings[answer].items(), key=lambda pair: (-pair[1], pair[0]))[0] for answer in named]
    return Labelled(inputs, row_class[chosen], answers, not closed)


def _untaught(examples: Sequence[Example], contract: Contract) -> tuple[str, ...]:
    """The labels that the contract lists and no example has, other spellings of those that they have left out."""
    taught = {normalise(words_of(_canonical(example.answer))) for example in examples}
    offered = sorted({_canonical(label) for label in contract.labels})
    return tuple(label for label in offered if normalise(words_of(label)) not in taught)[:MAX_CLASSES]


def _sample(row_class: I64, n_classes: int) -> list[int]:
    """The rows to remember: all where they fit, else the first of each class up to a common ceiling's worth."""
    room = min(MAX_ROWS, MAX_DUAL // n_classes)
    if len(row_class) <= room:
        return list(range(len(row_class)))
    rank = np.zeros(len(row_class), np.int64)
    seen: Counter[int] = Counter()
    for i, c in enumerate(row_class.tolist()):
        rank[i] = seen[c]
        seen[c] += 1
    # Rare classes first, so that they stay whole; the rest in the (already shuffled) order given.
    floor = rank < FEW_PER_CLASS
    order = np.concatenate([np.flatnonzero(floor), np.flatnonzero(~floor)])[:room]
    return sorted(order.tolist())
