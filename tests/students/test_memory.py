"""The two cheapest rungs."""

import pytest
from tests.support.intents import contract

from freehold.errors import BundleRefused
from freehold.students import build, fit
from freehold.vocabulary import Example


def _row(number: int, text: str, answer: str) -> Example:
    return Example(f"c{number}", (text,), answer)


def test_a_repeat_is_answered_and_anything_else_is_out_of_scope():
    rows = [_row(i, "Where is my order?", "tracking") for i in range(8)] + [_row(9, "Bye", "none")]
    student = build("memory", fit("memory", rows, contract()).files)
    known = student.answer(("  where IS my order?",))
    assert (known.text, known.scope) == ("tracking", 1.0)
    assert known.confidence == pytest.approx(9 / 10)
    unknown = student.answer(("where is my card?",))
    assert (unknown.confidence, unknown.scope) == (0.0, 0.0)


def test_an_input_answered_in_two_ways_is_answered_with_less_confidence():
    rows = [_row(i, "a", "x") for i in range(3)] + [_row(5, "a", "y")]
    answer = build("memory", fit("memory", rows, contract()).files).answer(("a",))
    assert answer.text == "x"
    assert answer.confidence == pytest.approx(4 / 6)


def test_a_constant_answers_everything():
    rows = [_row(i, f"text {i}", "ok") for i in range(98)]
    student = build("constant", fit("constant", rows, contract()).files)
    assert [a.text for a in student.answer_many([("new",), ("",)])] == ["ok", "ok"]
    assert student.answer(("new",)).confidence == pytest.approx(99 / 100)


def test_a_file_that_is_not_a_memory_is_refused():
    with pytest.raises(BundleRefused):
        build("memory", {"memory.json": b"[]"})
