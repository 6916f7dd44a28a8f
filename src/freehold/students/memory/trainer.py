"""Fitting the two cheapest rungs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from freehold.students.protocol import Fitted
from freehold.vocabulary import Contract, Example, TaskKind

from .runtime import FILE, Memory, key


class ConstantTrainer:
    """For a task whose answer has never varied."""

    def can_learn(self, kind: TaskKind, examples: Sequence[Example], contract: Contract) -> str:  # noqa: ARG002
        """Useless as soon as two answers differ: the rare answer is why somebody asks."""
        return "" if len({example.answer for example in examples}) == 1 else "answers vary"

    def fit(self, examples: Sequence[Example], contract: Contract, *, seed: int) -> Fitted:  # noqa: ARG002
        """Remember the commonest answer; confidence by the rule of succession."""
        (answer, count), *_ = sorted(Counter(e.answer for e in examples).items(), key=lambda pair: (-pair[1], pair[0]))
        memory = Memory([answer], {}, 0, (count + 1) / (len(examples) + 2))
        return Fitted({FILE: msgspec.json.encode(memory, order="sorted")}, {"n_answers": 1})


class MemoryTrainer:
    """For a task whose inputs come again word for word."""

    def can_learn(self, kind: TaskKind, examples: Sequence[Example], contract: Contract) -> str:  # noqa: ARG002
        """Useless where no input was ever seen twice."""
        return "" if len({key(example.inputs) for example in examples}) < len(examples) else "no input came twice"

    def fit(self, examples: Sequence[Example], contract: Contract, *, seed: int) -> Fitted:  # noqa: ARG002
        """Remember each input's commonest answer (ties: the smaller text), and how often it was given."""
        by_input: dict[str, Counter[str]] = defaultdict(Counter)
        for example in examples:
            by_input[key(example.inputs)][example.answer] += 1
        best = {
            digest: min(counts.items(), key=lambda pair: (-pair[1], pair[0])) for digest, counts in by_input.items()
        }
        answers = sorted({answer for answer, _ in best.values()})
        index = {answer: i for i, answer in enumerate(answers)}
        seen = {
            digest: (index[answer], by_input[digest].total(), count) for digest, (answer, count) in sorted(best.items())
        }
        memory = Memory(answers, seen)
        return Fitted(
            {FILE: msgspec.json.encode(memory, order="sorted")}, {"n_answers": len(answers), "n_inputs": len(seen)}
        )
