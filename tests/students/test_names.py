"""Labels that the prompt lists and no example taught: their names help the gate, and nothing else changes."""

import random
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from tests.support.intents import INTENTS, contract, examples

from freehold.students import Fitted, Student, build, fit
from freehold.students.kernel._core import Core, Labelled, learn, vocabulary, weights
from freehold.students.kernel._names import words_of
from freehold.students.kernel._signals import NAMES, OF_NAMES
from freehold.students.kernel.runtime import KernelStudent
from freehold.vocabulary import Contract, Example

VERBS = ("activate", "cancel", "renew", "replace", "track")
OBJECTS = ("card", "loan", "parcel", "ticket")
LABELS = tuple(f"{verb}_{thing}" for verb in VERBS for thing in OBJECTS)
ABSENT = ("cancel_loan", "track_ticket", "renew_parcel", "activate_card")
TALK = ["please", "could", "you", "today", "my", "the", "now", "again", "thanks"]
TALK += ["hello", "need", "want", "somehow", "with", "app", "urgent", "still", "waiting"]


def _requests(labels: Sequence[str], n: int, seed: int) -> list[Example]:
    """Messages that say what they are about among words that say nothing, now and then by the object alone."""
    rng = random.Random(seed)
    out: list[Example] = []
    for i in range(n):
        label = labels[i % len(labels)]
        verb, thing = label.split("_")
        words = [thing, *([verb] if rng.random() < 0.8 else []), *rng.sample(TALK, 5)]
        rng.shuffle(words)
        out.append(Example(f"{seed}-{i:05}", (" ".join(words),), label))
    return out


def _listing(*labels: str) -> Contract:
    return msgspec.structs.replace(contract(), labels=labels)


def _refused(fitted: Fitted, student: Student, labels: Sequence[str]) -> float:
    asked = student.answer_many([row.inputs for row in _requests(labels, 200, seed=9)])
    return float(np.mean([answer.scope < fitted.scope_threshold for answer in asked]))


def test_labels_are_read_as_the_words_that_they_are_made_of():
    assert words_of("lost_or_stolen_phone") == "lost or stolen phone"
    assert words_of("reverted-card.payment?") == "reverted card payment"
    assert words_of("bookRestaurant") == "book Restaurant"
    assert words_of("退款") == "退款"


def test_a_label_that_only_the_prompt_knows_is_refused_more_often_than_one_that_nobody_knows():
    taught = [label for label in LABELS if label not in ABSENT]
    rows = _requests(taught, 640, seed=1)
    unlisted, listed = fit("kernel", rows, _listing(*taught)), fit("kernel", rows, _listing(*LABELS))
    before, after = build("kernel", unlisted.files), build("kernel", listed.files)
    assert _refused(listed, after, ABSENT) > _refused(unlisted, before, ABSENT) + 0.3
    assert _refused(listed, after, taught) < 0.15
    assert listed.parameters["n_untaught"] == len(ABSENT)


def test_names_change_neither_answers_nor_confidence():
    taught = [label for label in LABELS if label not in ABSENT]
    rows = _requests(taught, 320, seed=2)
    without, with_names = (build("kernel", fit("kernel", rows, c).files) for c in (contract(), _listing(*LABELS)))
    for row in _requests(LABELS, 60, seed=3):
        a, b = without.answer(row.inputs), with_names.answer(row.inputs)
        assert a.text == b.text
        assert a.confidence == pytest.approx(b.confidence, abs=1e-6)


@pytest.mark.parametrize("labels", [tuple(INTENTS), tuple(name.upper().replace("_", "-") for name in INTENTS)])
def test_a_list_of_labels_that_were_all_taught_changes_nothing(labels: tuple[str, ...]):
    assert fit("kernel", examples(200), _listing(*labels)) == fit("kernel", examples(200), contract())


def test_the_order_in_which_a_prompt_lists_its_labels_does_not_count():
    taught = sorted(INTENTS)[:-2]
    rows = examples(200, intents=taught)
    assert fit("kernel", rows, _listing(*INTENTS)) == fit("kernel", rows, _listing(*reversed(INTENTS)))


@pytest.mark.parametrize("other", [False, True])
def test_training_and_answering_find_an_input_equally_near_to_names_in_any_slot(other: bool):
    core = _core_of_two_slots(other)
    student = KernelStudent(vocabulary(core), weights(core, np.zeros((2, 2 * len(NAMES) + 1), np.float32)))
    first = OF_NAMES.start
    served = np.stack([student.signals(inputs)[first] for inputs in core.labelled.inputs])
    np.testing.assert_allclose(served, core.standard[:, first], atol=1e-4)
    assert core.standard[:, first].std() > 0.5


def _core_of_two_slots(other: bool) -> Core:
    rows = _requests(LABELS, 200, seed=4)
    taught = [label for label in LABELS if label not in ABSENT]
    kept = [row for row in rows if row.answer in taught]
    inputs = [(row.inputs[0], "hello") if i % 2 else ("hello", row.inputs[0]) for i, row in enumerate(kept)]
    classes = np.array([taught.index(row.answer) for row in kept], np.int64)
    return learn(Labelled(inputs, classes, taught[:-1] if other else taught, other, ABSENT), seed=0)
