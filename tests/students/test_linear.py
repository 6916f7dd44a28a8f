"""The linear student: labels that a few words decide, beside long texts that decide nothing."""

from __future__ import annotations

import random

import pytest

from freehold.students import fit, train
from freehold.students.linear.trainer import LinearTrainer
from freehold.students.rungs import runtime_of
from freehold.tasks import contracts
from freehold.vocabulary import Example

_KINDS = {"what": "thing", "who": "person", "where": "place", "when": "time"}
_WORDS = [f"word{n}" for n in range(3000)]


def passages(count: int, seed: int = 0) -> list[Example]:
    rng = random.Random(seed)
    made = []
    for n in range(count):
        asks = rng.choice(sorted(_KINDS))
        passage = " ".join(rng.choices(_WORDS, k=300))
        question = f"{asks} {' '.join(rng.choices(_WORDS, k=6))}?"
        made.append(Example(f"e{n}", (passage, question), _KINDS[asks], None, n))
    return made


@pytest.fixture(scope="module")
def trained():
    examples = passages(500)
    contract = contracts.learn([e.answer for e in examples])
    return train("kinds", "classification", examples, contract, seed=0), examples, contract


def test_a_question_is_not_drowned_by_its_passage(trained) -> None:
    made, _, _ = trained
    assert made.rung == "linear"
    student = runtime_of("linear").from_files(made.files)
    fresh = passages(200, seed=1)
    right = sum(student.answer(e.inputs).text == e.answer for e in fresh)
    assert right >= 195
    assert all(0 <= student.answer(e.inputs).confidence <= 1 for e in fresh[:20])


def test_foreign_inputs_are_out_of_scope_and_odd_ones_never_raise(trained) -> None:
    made, _, _ = trained
    student = runtime_of("linear").from_files(made.files)
    assert student.answer(("völlig fremder Text ohne Bezug", "noch einer")).scope < made.scope_threshold
    for odd in ((), ("",), ("a", "b", "c", "d"), ("x" * 100_000, "what?")):
        assert student.answer(odd).text in _KINDS.values()


def test_the_same_examples_make_the_same_bytes_in_any_order(trained) -> None:
    made, examples, contract = trained
    again = fit("linear", list(reversed(examples)), contract, seed=0)
    assert again.files == made.files


def test_short_single_inputs_and_open_answers_are_left_to_others() -> None:
    short = [Example(f"e{n}", ("short text",), "ab"[n % 2], None, n) for n in range(50)]
    prose = [Example(f"e{n}", ("long " * 100,), f"answer {n}", None, n) for n in range(50)]
    for examples in (short, prose):
        assert LinearTrainer().can_learn("classification", examples, contracts.learn([e.answer for e in examples]))
