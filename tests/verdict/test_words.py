"""Sentences for tables."""

from __future__ import annotations

from typing import get_args

import pytest
from tests.support.workloads import a_certificate, a_workload

from freehold.economics import bought
from freehold.economics.assumptions import assumptions
from freehold.economics.options.trained_from_scratch import scratch_training
from freehold.economics.quality import QualityFacts
from freehold.settings import EconomicsSettings
from freehold.verdict.words import INPUTS, certificate_sentence, inputs_text, times_text, usd_text, word_text
from freehold.vocabulary import VerdictWord


def test_every_answer_has_words() -> None:
    texts = [word_text(word) for word in get_args(VerdictWord)]
    assert len(set(texts)) == len(texts)
    assert all("_" not in text for text in texts)


@pytest.mark.parametrize(
    ("usd", "text"),
    [(0, "0.00 USD"), (0.00123, "0.0012 USD"), (3.989, "3.99 USD"), (540.4, "540 USD"), (22434.6, "22,435 USD")],
)
def test_amounts_carry_the_digits_that_mean_something(usd: float, text: str) -> None:
    assert usd_text(usd) == text


def test_every_input_of_the_decision_has_words() -> None:
    known = assumptions(a_workload(10), QualityFacts(), EconomicsSettings(), bought.inputs())
    assert set(INPUTS) == {*known, scratch_training().name}
    assert inputs_text(["volume_ratio", "volume_ratio"]) == "how many calls will come"
    assert inputs_text(sorted(INPUTS)).endswith(f"and {len(INPUTS) - 3} more")


@pytest.mark.parametrize(("ratio", "text"), [(0.25, "x0.25"), (2.61, "x2.6"), (55.4, "x55"), (1234.0, "x1,234")])
def test_multiples_are_short(ratio: float, text: str) -> None:
    assert times_text(ratio) == text


def test_a_certificate_says_what_it_promises_against_whom() -> None:
    teacher, gold = (certificate_sentence(a_certificate(0.87, against=against)) for against in ("teacher", "gold"))
    assert "keeps 87% of the calls" in teacher
    assert "95% confidence" in teacher
    assert "5.0%" in teacher
    assert "rented model" in teacher
    assert "people" in gold


def test_a_refusal_says_how_far_away_it_is() -> None:
    no = certificate_sentence(a_certificate(0, certified=False, labels_needed=700))
    assert no.startswith("no:")
    assert "20.0%" in no
    assert "700" in no
    assert "not likely" in certificate_sentence(a_certificate(0, certified=False, labels_needed=None))
    assert certificate_sentence(None) == "none asked for"
