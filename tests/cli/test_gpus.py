"""`freehold gpus` as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from freehold.cli._app import app
from freehold.errors import UsageError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def _shop(*more: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["gpus", "--model", "Llama-3.3-70B", *more, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    return json.loads(done.output)


def test_what_fits_and_what_it_costs_is_on_the_page() -> None:
    done = CliRunner().invoke(app, ["gpus", "--model", "Llama-3.3-70B", "--region", "eu"], catch_exceptions=False)
    for said in ("verda", "H200-141GB", "on demand", "2026-06-15", "measured points", "roofline", "outside the zone"):
        assert said in done.output
    assert "aws" not in done.output


def test_every_row_is_inside_the_zone_whole_and_cheapest_first() -> None:
    found = _shop("--region", "eu")
    assert found["schema"] == "freehold.gpus/1"
    assert {row["zone"] for row in found["rows"]} == {"eu"}
    months = [float(row["usd_per_month"]) for row in found["rows"]]
    assert months == sorted(months)
    for row in found["rows"]:
        if row["term"] == "bought":
            continue
        month = row["gpus"] * float(row["usd_per_gpu_hour"]) * 730.56
        assert float(row["usd_per_month"]) == pytest.approx(month, abs=0.01)
        assert row["replicas"] == (3 if row["term"] == "spot" else 2)


def test_machines_come_whole_and_terms_commit() -> None:
    rows = {(row["cloud"], row["gpu"], row["term"]): row for row in _shop("--region", "us")["rows"]}
    aws = rows["aws", "H100-80GB", "36mo"]
    assert aws["gpus"] == 8  # two replicas of two, sold by eight
    assert float(aws["committed_usd"]) == pytest.approx(36 * float(aws["usd_per_month"]), abs=1)
    assert float(rows["aws", "H100-80GB", "on_demand"]["committed_usd"]) == 0


def test_a_replica_never_reaches_over_machines() -> None:
    found = _shop("--gpu", "H100")
    # Replicas of two: never machines with a single GPU.
    assert {row["gpus"] for row in found["rows"] if row["term"] != "bought"} <= {4, 8}
    assert any("fewer GPUs than a replica takes" in note for note in found["notes"])


def test_machines_of_ones_own_stand_among_the_offers() -> None:
    def own(*more: str) -> dict[str, Any]:
        (row,) = [row for row in _shop("--gpu", "H100", *more)["rows"] if row["term"] == "bought"]
        assert (row["cloud"], row["gpu"]) == ("on premises", "H100-80GB")
        return row

    usual, cheap = own(), own("--buy", "10000")
    assert float(usual["committed_usd"]) == 33_000 * usual["gpus"]
    assert float(cheap["committed_usd"]) == 10_000 * cheap["gpus"]
    assert (usual["source"] != "given", cheap["source"]) == (True, "given")
    # What the price does not change: electricity and the place, 0.7 kW with its part of the server.
    less = float(usual["usd_per_month"]) - float(cheap["usd_per_month"])
    fixed = float(cheap["usd_per_month"]) - less * 10_000 / 23_000
    assert fixed == pytest.approx(cheap["gpus"] * (0.7 * 1.8 * 1.3 * 730.56 * 0.15 + 200), abs=0.05)
    monthly = 1.1 ** (1 / 12) - 1
    factor = monthly / (1 - (1 + monthly) ** -36)
    assert less == pytest.approx(cheap["gpus"] * 23_000 * (1 - 0.2 * (1 + monthly) ** -36) * factor, rel=0.001)


def test_what_machines_of_ones_own_cost_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_ECONOMICS__ASSUME", "{gpu_usd_each = 20000.0}")
    rows = [row for row in _shop()["rows"] if row["term"] == "bought"]
    assert [(row["gpu"], float(row["committed_usd"])) for row in rows] == [("H100-80GB", 20_000 * rows[0]["gpus"])]
    assert not [row for row in _shop("--term", "12mo")["rows"] if row["term"] == "bought"]
    assert [row for row in _shop("--gpu", "H200", "--buy", "40000")["rows"] if row["term"] == "bought"]


def test_arrivals_size_the_fleet(tmp_path: Path) -> None:
    path = tmp_path / "arrivals.csv"
    rows = "".join(f"{n / 4},3000,200\n" for n in range(1200))
    path.write_text("arrival_s,prompt_tokens,output_tokens\n" + rows, "utf-8")
    alone = _shop("--gpu", "H200", "--term", "on_demand")
    busy = _shop("--gpu", "H200", "--term", "on_demand", "--trace", str(path))
    assert busy["requests"] == 1200
    assert busy["rows"][0]["replicas"] > alone["rows"][0]["replicas"]
    assert 0 < busy["sized"][0]["utilisation"] < 1


def test_a_catalogue_file_is_taken_in_for_its_cloud(tmp_path: Path, home: Path) -> None:
    path = tmp_path / "vms.csv"
    path.write_text(
        "AcceleratorName,AcceleratorCount,Price,SpotPrice,Region\nH100,2,2.22,,eu-north1\nTPU,1,1,,x\n", "utf-8"
    )
    take = ["gpus", "--import", str(path), "--cloud", "nebius", "--as-of", "2026-11-20"]
    done = CliRunner().invoke(app, take, catch_exceptions=False)
    assert "1 offers of nebius, 2026-11-20" in done.output
    assert (home / "offers.toml").is_file()
    rows = [row for row in _shop("--region", "eu")["rows"] if row["cloud"] == "nebius"]
    assert [(row["usd_per_gpu_hour"], row["as_of"]) for row in rows] == [("1.11", "2026-11-20")]
    CliRunner().invoke(app, take, catch_exceptions=False)  # again: replaced, not doubled
    assert len([row for row in _shop("--region", "eu")["rows"] if row["cloud"] == "nebius"]) == 1


def test_prices_of_no_day_and_offers_without_a_number_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "vms.csv"
    rows = ("H100,nan,2.22,,eu-north1", "H100,inf,2.22,,eu-north1", "H100,1,inf,nan,eu-north1")
    path.write_text("\n".join(("AcceleratorName,AcceleratorCount,Price,SpotPrice,Region", *rows)), "utf-8")
    take = ["gpus", "--import", str(path), "--cloud", "nebius"]
    with pytest.raises(UsageError, match="which is no day"):
        CliRunner().invoke(app, [*take, "--as-of", "yesterday"], catch_exceptions=False)
    with pytest.raises(UsageError, match="offers no GPU"):
        CliRunner().invoke(app, take, catch_exceptions=False)


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--model", "abacus"],
        ["--model", "Llama-3.3-70B", "--region", "moon"],
        ["--model", "Llama-3.3-70B", "--region", "in"],
        ["--model", "Llama-3.3-70B", "--term", "daily"],
        ["--model", "Llama-3.3-70B", "--tpot", "0"],
        ["--model", "Llama-3.3-70B", "--buy", "30000"],
        ["--model", "Llama-3.3-70B", "--gpu", "H100", "--buy", "-1"],
        ["--model", "Llama-3.3-70B", "--ttft", "nan"],
        ["--model", "Llama-3.3-70B", "--volume", "x3"],
        ["--model", "Llama-3.3-70B", "--task", "a", "--trace", "b"],
    ],
)
def test_what_makes_no_sense_is_refused(wrong: list[str]) -> None:
    with pytest.raises(UsageError):
        CliRunner().invoke(app, ["gpus", *wrong], catch_exceptions=False)


@pytest.mark.parametrize(
    "command",
    [
        ["gpus", "--model", "Llama-3.1-8B", "--trace"],
        ["gpus", "--cloud", "aws", "--import"],
        ["cost", "serve", "--model", "Llama-3.1-8B", "--trace"],
    ],
)
@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_a_file_that_is_no_table_is_said_to_be_none(tmp_path: Path, home: Path, command: list[str], name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"\x1f\x8b\x00\xff\xfe\xd8")
    done = CliRunner().invoke(app, [*command, str(file)])
    assert isinstance(done.exception, UsageError)
    assert "no CSV that can be read" in str(done.exception)


def test_a_table_that_a_spreadsheet_saved_with_its_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "arrivals.csv"
    file.write_text("\ufeffarrival_s,prompt_tokens,output_tokens\r\n0,100,10\r\n60,100,10\r\n", "utf-8", newline="")
    assert _shop("--trace", str(file))["rows"]
