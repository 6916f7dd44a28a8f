"""`freehold cost` as a person meets it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from freehold.cli._app import app
from freehold.errors import UsageError

TRAIN = ["cost", "train", "--params", "3e9", "--tokens", "525b"]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "none"))


def test_training_is_told_in_parts_with_what_it_rests_on() -> None:
    done = CliRunner().invoke(app, TRAIN, catch_exceptions=False)
    assert done.exit_code == 0
    for said in (
        "3.0 B parameters",
        "525.0 B tokens",
        "failed runs and trials",
        "people",
        "P10 to P90",
        "mfu",
        "judgement",
    ):
        assert said in done.output


def test_json_has_everything_under_a_schema() -> None:
    done = CliRunner().invoke(app, [*TRAIN, "--mfu", "0.4", "--people", "2", "--json"], catch_exceptions=False)
    document = json.loads(done.output)
    assert document["schema"] == "freehold.training_cost/1"
    assert Decimal(document["usd"]["low"]) < Decimal(document["usd"]["mid"]) < Decimal(document["usd"]["high"])
    given = {item["name"]: item for item in document["inputs"]}
    assert given["mfu"]["low"] == given["mfu"]["high"] == "0.4"
    assert given["runs"]["low"] == "1.2"


def test_settings_stand_in_for_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_ECONOMICS__ENGINEER_USD_PER_YEAR", "90000")
    monkeypatch.setenv("FREEHOLD_ECONOMICS__GPU_USD_PER_HOUR", "2.1")
    done = CliRunner().invoke(app, [*TRAIN, "--json"], catch_exceptions=False)
    given = {item["name"]: item for item in json.loads(done.output)["inputs"]}
    assert given["engineer_usd_per_year"]["value"] == "90000.0"
    assert given["gpu_usd_per_hour"]["source"]["name"] == "settings"


@pytest.mark.parametrize(
    "wrong",
    [
        ["--params", "3x"],
        ["--params", "-3e9"],
        ["--gpu", "abacus"],
        ["--layers", "32"],
        ["--gpus", "-1"],
        ["--epochs", "0"],
        ["--mfu", "2"],
    ],
)
def test_what_makes_no_sense_is_refused(wrong: list[str]) -> None:
    with pytest.raises(UsageError):
        CliRunner().invoke(app, [*TRAIN, *wrong], catch_exceptions=False)
