"""The classification student: what it learns, what it is sure of, what it refuses."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.support.intents import INTENTS, contract, examples

from freehold.errors import BundleRefused
from freehold.students import Fitted, Student, build, fit
from freehold.students.kernel._gate import scope_threshold
from freehold.students.kernel._grams import MAX_COMPANY_WORDS, REACH, grams
from freehold.vocabulary import Example

BANKING = Path(__file__).parents[3] / "shared/data/tasks/intent_banking77/train.jsonl.gz"


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit("kernel", examples(600), contract())


@pytest.fixture(scope="module")
def student(fitted: Fitted) -> Student:
    return build("kernel", fitted.files)


def _accuracy(student: Student, rows: Sequence[Example]) -> float:
    answers = student.answer_many([row.inputs for row in rows])
    return float(np.mean([answer.text == row.answer for answer, row in zip(answers, rows, strict=True)]))


def test_unseen_messages_are_answered_right_in_any_script(student: Student):
    assert _accuracy(student, examples(300, seed=1)) > 0.97
    assert student.answer(("请问我可以退款吗",)).text == "退款"


def test_the_same_examples_in_any_order_give_the_same_bytes(fitted: Fitted):
    again = fit("kernel", examples(600)[::-1], contract())
    assert again.files == fitted.files
    assert again.scope_threshold == fitted.scope_threshold


def test_another_seed_is_another_student_as_good():
    other = build("kernel", fit("kernel", examples(600), contract(), seed=7).files)
    assert _accuracy(other, examples(300, seed=1)) > 0.97


def test_foreign_inputs_fall_below_the_scope_threshold(fitted: Fitted, student: Student):
    foreign = [
        "The mitochondrial genome of the blind cave fish was sequenced and annotated.",
        "play some jazz by miles davis in the kitchen",
        "SELECT name FROM users WHERE id = 3;",
        "Как приготовить борщ без свёклы",
        "\u2603\u2603\u2603",
        "",
    ]
    assert all(answer.scope < fitted.scope_threshold for answer in student.answer_many([(text,) for text in foreign]))
    known = student.answer_many([row.inputs for row in examples(300, seed=2)])
    assert np.mean([answer.scope >= fitted.scope_threshold for answer in known]) > 0.85


def test_a_class_never_taught_is_mostly_refused():
    names = sorted(INTENTS)
    taught, absent = names[:-2], names[-2:]
    fitted = fit("kernel", examples(600, intents=taught), contract())
    student = build("kernel", fitted.files)
    asked = student.answer_many([row.inputs for row in examples(100, seed=3, intents=absent)])
    assert np.mean([answer.scope < fitted.scope_threshold for answer in asked]) > 0.8


def test_confidence_is_low_where_the_teacher_contradicts_itself():
    steady = [row for row in examples(800) if row.answer != "invoice"]
    torn = [row for row in examples(800, noise=1.0) if row.gold == "invoice"]
    student = build("kernel", fit("kernel", steady + torn, contract()).files)
    asked = examples(400, seed=4)
    confidence = {row.id: student.answer(row.inputs).confidence for row in asked}
    assert np.median([confidence[row.id] for row in asked if row.gold == "invoice"]) < 0.5
    assert np.median([confidence[row.id] for row in asked if row.gold != "invoice"]) > 0.9


def test_several_slots_tell_apart_what_the_same_words_mean_in_another_slot():
    rows = [
        Example(f"{i}", ("yes", "no") if i % 2 else ("no", "yes"), "first" if i % 2 else "second") for i in range(80)
    ]
    student = build("kernel", fit("kernel", rows, contract()).files)
    assert student.answer(("yes", "no")).text == "first"
    assert student.answer(("no", "yes")).text == "second"


def test_words_keep_company_in_either_order_and_with_any_ending():
    assert set(grams(("charged twice today",)).company) == set(grams(("Today, charging: twice!",)).company)
    assert set(grams(("charged twice", "today")).company).isdisjoint(grams(("charged twice today",)).company)


def test_the_company_of_a_long_text_is_that_of_its_head_and_tail():
    company = grams((" ".join(f"{i:04d}" for i in range(2_000)),)).company
    assert len(company) <= MAX_COMPANY_WORDS * REACH
    assert {"0000&0001", "1998&1999"} <= set(company)
    assert "1000&1001" not in company


def test_the_gate_spends_its_points_where_a_certificate_would_set_the_threshold():
    # Scope and confidence agree, so the gate costs nothing until it refuses more than the threshold does. The risk of
    # the surest share k is 0.06 k^3: 5 % at 94 %, and as low as a thousand calls must show it at about 86 %.
    confidence = np.linspace(0, 1, 7_000)
    right = np.random.default_rng(0).random(7_000) >= 0.24 * (1 - confidence) ** 3
    refused = (confidence < scope_threshold(confidence, confidence, right, 0.05)).mean()
    assert 0.16 < refused < 0.22


@pytest.mark.parametrize("inputs", [(), ("",), ("a", "b", "c"), ("x" * 200_000,), ("\x00\ud83d",), ("\n \t",)])
def test_odd_input_is_answered_without_a_fuss(student: Student, inputs: tuple[str, ...]):
    answer = student.answer(inputs)
    assert answer.text in INTENTS
    assert 0 <= answer.confidence <= 1


@pytest.mark.parametrize("n", [1, 2, 3, 5, 12])
def test_tiny_sets_can_be_fitted(n: int):
    student = build("kernel", fit("kernel", examples(n), contract()).files)
    assert student.answer(("hello refund",)).text in INTENTS


def test_answers_that_hardly_repeat_are_never_given_with_confidence():
    rows = [Example(f"{i}", (f"tell me about topic {i}",), f"essay number {i}") for i in range(60)]
    rows += [Example(f"r{i}", ("thanks bye",), "You are welcome.") for i in range(20)]
    student = build("kernel", fit("kernel", rows, contract(form="text")).files)
    assert student.answer(("thanks bye",)).text == "You are welcome."
    assert student.answer(("tell me about topic 99",)).confidence == 0.0


def test_spellings_of_one_label_are_one_class():
    rows = [Example(f"{i}", (f"good {i}",), "ok" if i % 3 else " ok ") for i in range(30)]
    rows += [Example(f"b{i}", (f"bad {i}",), "not ok") for i in range(30)]
    fitted = fit("kernel", rows, contract())
    assert fitted.parameters["n_classes"] == 2
    assert build("kernel", fitted.files).answer(("good 99",)).text == "ok"


def test_files_that_do_not_fit_each_other_are_refused(fitted: Fitted):
    other = fit("kernel", examples(60, seed=9), contract())
    mixed = {**fitted.files, "vocabulary.json": other.files["vocabulary.json"]}
    with pytest.raises(BundleRefused):
        build("kernel", mixed)
    with pytest.raises(BundleRefused):
        build("kernel", {**fitted.files, "weights.safetensors": b"not tensors"})
    with pytest.raises(BundleRefused, match="lacks"):
        build("kernel", {"vocabulary.json": fitted.files["vocabulary.json"]})


@pytest.mark.shared_data
@pytest.mark.skipif(not BANKING.exists(), reason="../shared/data is not here")
def test_real_messages_of_77_kinds_from_few_rows_each():
    with gzip.open(BANKING, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    order = np.random.default_rng(0).permutation(len(rows))
    every = [Example(rows[i]["id"], (rows[i]["text"],), rows[i]["label"]) for i in order]
    student = build("kernel", fit("kernel", every[:2_000], contract()).files)
    assert _accuracy(student, every[2_000:3_000]) > 0.77
