"""`freehold cost` as a person meets it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from tests.support import homes
from tests.support.workloads import a_call
from typer.testing import CliRunner

from freehold.cli._app import app
from freehold.errors import UsageError
from freehold.services.home import Home
from freehold.settings import Loaded, Settings, WorkloadSettings
from freehold.vocabulary import Usage

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
        ["--usd-per-hour", "0"],
    ],
)
def test_what_makes_no_sense_is_refused(wrong: list[str]) -> None:
    with pytest.raises(UsageError):
        CliRunner().invoke(app, [*TRAIN, *wrong], catch_exceptions=False)


def test_no_seed_lies_below_zero() -> None:
    done = CliRunner().invoke(app, [*TRAIN, "--seed", "-1"])
    assert done.exit_code == 2
    assert "--seed" in done.output


def test_a_run_that_costs_nothing_is_told_too() -> None:
    given = ["--people", "0", "--data-usd", "0"]
    done = CliRunner().invoke(app, ["cost", "train", "--params", "1", "--tokens", "1", *given], catch_exceptions=False)
    assert done.exit_code == 0
    assert "$0.00 to train" in done.output


@pytest.fixture
def arrivals(tmp_path: Path) -> Path:
    path = tmp_path / "arrivals.csv"
    rows = "".join(f"{3 * n},{500 + n},{50 + n % 20}\n" for n in range(300))
    path.write_text("arrival_s,prompt_tokens,output_tokens\n" + rows, "utf-8")
    return path


def _serve(arrivals: Path, *more: str) -> list[str]:
    return ["cost", "serve", "--model", "Llama-3.1-8B", "--trace", str(arrivals), *more]


def test_serving_says_machines_use_money_and_the_rival(arrivals: Path) -> None:
    done = CliRunner().invoke(app, _serve(arrivals, "--autoscale", "5m"), catch_exceptions=False)
    assert done.exit_code == 0
    for said in (
        "a month",
        "1 spare",
        "of the fleet is used",
        "by the token",
        "Autoscaled",
        "no daily cycle",
        "fitted to",
    ):
        assert said in done.output


def test_a_refusal_names_the_option_as_it_is_typed(arrivals: Path) -> None:
    for option in ("--usd-per-hour", "--engineer-share"):
        with pytest.raises(UsageError, match=rf"^{option} is -1"):
            CliRunner().invoke(app, _serve(arrivals, option, "-1"), catch_exceptions=False)
    done = CliRunner().invoke(app, _serve(arrivals, "--engineer-share", "0", "--json"), catch_exceptions=False)
    assert float(json.loads(done.output)["split_usd"]["people"]) == 0


@pytest.mark.parametrize("rows", ["0,100,50", "7,100,50\n7,100,50", "0,100,50\n1,nan,50\n2,10,5", "0,100,50\ninf,9,5"])
def test_arrivals_without_a_rate_or_with_no_numbers_are_refused(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "odd.csv"
    path.write_text(f"arrival_s,prompt_tokens,output_tokens\n{rows}\n", "utf-8")
    with pytest.raises(UsageError, match=r"one moment alone|no number"):
        CliRunner().invoke(app, _serve(path), catch_exceptions=False)


def test_a_gpu_without_a_price_in_the_catalogue_needs_one(arrivals: Path) -> None:
    with pytest.raises(UsageError, match="nobody states what a MI300X-192GB rents for"):
        CliRunner().invoke(app, _serve(arrivals, "--gpu", "MI300X"), catch_exceptions=False)
    for command in (_serve(arrivals, "--gpu", "MI300X"), [*TRAIN, "--gpu", "MI300X"]):
        done = CliRunner().invoke(app, [*command, "--usd-per-hour", "2", "--json"], catch_exceptions=False)
        price = next(one for one in json.loads(done.output)["inputs"] if one["name"] == "gpu_usd_per_hour")
        assert (price["low"], price["high"], price["unit"]) == ("2.0", "2.0", "USD per MI300X-192GB and hour")


@pytest.mark.parametrize("rows", ["", "1024,128,8,nan,8\n"])
def test_own_points_that_are_none_are_refused_and_not_passed_over(arrivals: Path, tmp_path: Path, rows: str) -> None:
    path = tmp_path / "points.csv"
    path.write_text(f"prompt_tokens,output_tokens,clients,ttft_ms,tpot_ms\n{rows}", "utf-8")
    with pytest.raises(UsageError, match="no measured point"):
        CliRunner().invoke(app, _serve(arrivals, "--measured", str(path)), catch_exceptions=False)


def test_own_points_that_are_no_table_are_refused(arrivals: Path, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="no CSV that can be read"):
        CliRunner().invoke(app, _serve(arrivals, "--measured", str(path)), catch_exceptions=False)


def test_serving_as_json(arrivals: Path) -> None:
    given = ("--usd-per-hour", "2.0", "--engineer-share", "0.5", "--spare", "2", "--json")
    document = json.loads(CliRunner().invoke(app, _serve(arrivals, *given), catch_exceptions=False).output)
    assert document["schema"] == "freehold.serving_cost/1"
    assert (document["replicas"], document["spare"]) == (1, 2)
    assert 0 < document["utilisation"] < 0.05
    machines = 3 * 730.56 * 2.0 + 4 * 0.5 * 2.0  # three around the clock, and the rollouts of a month
    assert float(document["split_usd"]["machines"]) == pytest.approx(machines, rel=0.05)
    assert float(document["usd"]["mid"]) == pytest.approx(machines + 0.5 * 200_000 / 12, rel=0.02)
    assert float(document["per_token_usd"]["mid"]) < float(document["usd"]["low"])


def test_bought_machines_stand_beside_rented_ones(arrivals: Path) -> None:
    given = ("--usd-per-hour", "3.0", "--buy", "30000", "--json")
    document = json.loads(CliRunner().invoke(app, _serve(arrivals, *given), catch_exceptions=False).output)
    own = document["bought"]
    assert float(own["once_usd"]["mid"]) == 2 * 30_000
    running = 2 * 0.7 * 1.8 * 1.3 * 730.56 * 0.15
    saved = 2 * 730.56 * 3.0 - running
    assert own["payback_months"] == pytest.approx(60_000 / saved, abs=0.06)
    people, level = 200_000 / 48, 60_000 / 36
    assert level * 0.8 + people < float(own["usd"]["mid"]) < level * 1.4 + running + 2 * people
    assert {item["name"] for item in document["inputs"]} >= {"pue", "usd_per_kwh", "residual_share"}
    cheap = ("--usd-per-hour", "0.2", "--buy", "30000")
    done = CliRunner().invoke(app, _serve(arrivals, *cheap), catch_exceptions=False)
    assert "rent never pays for them" in done.output
    with pytest.raises(UsageError):
        CliRunner().invoke(app, _serve(arrivals, "--buy", "0"), catch_exceptions=False)


def test_own_measurements_come_first_and_unbelievable_ones_are_refused(arrivals: Path, tmp_path: Path) -> None:
    points = tmp_path / "points.csv"
    head = "prompt_tokens,output_tokens,clients,ttft_ms,tpot_ms\n"
    points.write_text(
        head + "".join(f"{512 * k},256,{8 * c},{40 * k},{8 + c}\n" for k in (1, 2) for c in (1, 2, 4)), "utf-8"
    )
    done = CliRunner().invoke(app, _serve(arrivals, "--measured", str(points), "--json"), catch_exceptions=False)
    document = json.loads(done.output)
    assert document["how"] == "fitted to 6 measured points"
    assert document["sources"][0]["name"] == "own points"
    points.write_text(head + "1000,100,256,200,25\n" * 4, "utf-8")
    with pytest.raises(UsageError, match="of the peak"):
        CliRunner().invoke(app, _serve(arrivals, "--measured", str(points)), catch_exceptions=False)
    points.write_text(head + "1000,100,0,200,25\n", "utf-8")
    with pytest.raises(UsageError, match="line 2"):
        CliRunner().invoke(app, _serve(arrivals, "--measured", str(points)), catch_exceptions=False)


def test_arrivals_of_a_task_are_those_of_its_calls(tmp_path: Path) -> None:
    from freehold.services import costing, discovering

    with homes.home(tmp_path / "home") as home:
        calls = [
            a_call(1_700_000_000_000_000 + n * 2_000_000, Usage(input_tokens=100 + n, output_tokens=20), task="sorting")
            for n in range(60)
        ]
        home.ledger.append(calls)
        discovering.list_tasks(home)
        trace = costing.trace_of_task(home, home.registry.tasks()[0].name)
        assert trace.requests == 60
        assert trace.arrival_s[1] == pytest.approx(2)
        assert trace.prompt_tokens[-1] == 159
    with Home(Loaded(Settings(workload=WorkloadSettings(sample_weight=7)), tmp_path / "home", {})) as home:
        assert costing.trace_of_task(home, home.registry.tasks()[0].name).requests == 7 * 60


@pytest.mark.parametrize(
    "wrong",
    [
        ["--task", "too"],
        ["--gpu", "abacus"],
        ["--model", "abacus"],
        ["--tpot", "0"],
        ["--windows", "1.5"],
        ["--autoscale", "soon"],
        ["--gpu", "MI300X"],
    ],
)
def test_orders_that_make_no_sense_are_refused(arrivals: Path, wrong: list[str]) -> None:
    with pytest.raises(UsageError):
        CliRunner().invoke(app, _serve(arrivals, *wrong), catch_exceptions=False)
