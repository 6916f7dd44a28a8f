"""Personal data by its form: what is found, and what only looks like it."""

from __future__ import annotations

import random
from importlib.util import find_spec
from pathlib import Path

import pytest

from freehold.errors import MissingPrerequisite
from freehold.tasks.names import Names
from freehold.tasks.personal import personal_data


@pytest.mark.parametrize(
    "text",
    [
        "my DNI is 54362315K",
        "NIE X-2482300-W, thanks",
        "codice fiscale RCCMNL83S18D969H",
        "NIR 2 95 10 99 126 111 93",
        "CPF 390.533.447-05",
        "cpf: 39053344705",
        "personnummer 880320-0016",
        "my SSN: 536-90-4399",
        "social security number 536904399",
        "rijksregisternummer 85.07.30-033.28",
        "Steuer-ID 36 574 261 809",
        "BSN 111222333",
        "NHS number 943 476 5870",
        "PESEL 44051401359",
        "Aadhaar 2341 2341 2346",
    ],
)
def test_national_numbers_are_found_by_form_checksum_and_word(text: str) -> None:
    assert personal_data([text]) == {"national_id"}


@pytest.mark.parametrize(
    "text",
    [
        "my DNI is 54362315A",
        "codice RCCMNL83S18D969X",
        "CPF 390.533.447-06",
        "order 111222333",
        "invoice 39053344705 of today",
        "SSN 000-12-3456",
        "BSN 111222334",
        "NHS trust, room 12",
        "price 1.234.567,89 EUR",
        "flight LH 2341 at 12:30, gate B12",
        "2026-11-26T08:11:05Z and 12:34:56",
        "3.141592653589793",
        "sha 3f2a9c7d4e1b",
        "call us 24/7, press 1",
    ],
)
def test_what_only_looks_like_personal_data_is_left_alone(text: str) -> None:
    assert personal_data([text]) == set()


def test_addresses_of_machines_are_found_and_times_are_not() -> None:
    assert personal_data(["from 2001:db8::8a2e:370:7334 today"]) == {"ip_address"}
    assert personal_data(["from 10.0.0.7"]) == {"ip_address"}
    assert personal_data(["at 10:20:30:40 in the tape"]) == set()


def test_plain_numbers_are_hardly_ever_taken_for_personal_data() -> None:
    rng = random.Random(8)
    texts = [f"order {rng.randint(10**7, 10**11)} of customer {rng.randint(1000, 99999)}" for _ in range(2000)]
    assert sum(bool(personal_data([text])) for text in texts) == 0


def test_names_need_presidio_and_a_model(tmp_path: Path) -> None:
    if find_spec("presidio_analyzer") is None:
        with pytest.raises(MissingPrerequisite) as refused:
            Names("en_core_web_sm")
        assert refused.value.hint == "pip install 'freehold[presidio]'"
        return
    with pytest.raises(MissingPrerequisite) as refused:
        Names("xx_no_such_model")
    assert refused.value.hint == "python -m spacy download xx_no_such_model"
    import spacy

    model = spacy.blank("en")
    ruler = model.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Ann Miller"}, {"label": "GPE", "pattern": "Lisbon"}])
    model.to_disk(tmp_path / "model")
    names = Names(str(tmp_path / "model"))
    assert names.find(["Ann Miller wrote", "from Lisbon"]) == {"person", "place"}
    assert names.find(["nobody wrote", "a@b.org", ""]) == set()
