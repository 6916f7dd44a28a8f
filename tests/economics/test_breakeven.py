"""The published break-even of bought GPUs, cell by cell, and what the missing terms do to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from freehold.economics.bought import Machines, Ownership, People, inputs

FILE = Path(__file__).parents[3] / "shared" / "data" / "economics" / "breakeven_2509_18101.json"
HOURS, KW = 176, 0.3

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not FILE.is_file(), reason="../shared/data/economics is absent"),
]


@pytest.fixture(scope="module")
def paper() -> dict[str, Any]:
    return json.loads(FILE.read_text("utf-8"))


def _bill(row: dict[str, Any], prices: list[float], hours: float = HOURS) -> float:
    mtok = row["throughput_tok_s"] * hours * 3600 / 1e6
    return mtok / 3 * prices[0] + 2 * mtok / 3 * prices[1]


def _owned(row: dict[str, Any], prices: list[float], kw: float = KW, hours: float = HOURS) -> Ownership:
    machines = Machines(row["gpus"], row["hardware_usd"] / row["gpus"], kw, 0.15, hours)
    return Ownership(machines, _bill(row, prices, hours))


def _cells(paper: dict[str, Any]) -> list[tuple[dict[str, Any], str, list[float], float]]:
    return [
        (row, api, prices, paper["table4_breakeven_months"][row["model"]][api])
        for row in paper["table3"]
        for api, prices in paper["table1_api_usd_per_mtok"].items()
    ]


def test_35_of_the_36_cells_outside_one_column_come_out(paper: dict[str, Any]) -> None:
    off = [
        (row["model"], api)
        for row, api, prices, printed in _cells(paper)
        if abs((_owned(row, prices).payback_months() or 0) - printed) > 0.05
    ]
    assert len(_cells(paper)) == 45
    assert [cell for cell in off if cell[1] != "Gemini 2.5 Pro"] == [("Kimi-K2", "Claude-4 Opus")]


def test_one_column_implies_another_price_than_the_papers_table(paper: dict[str, Any]) -> None:
    implied = []
    for row, api, _, printed in _cells(paper):
        if api == "Gemini 2.5 Pro" and printed > 10:
            mtok = row["throughput_tok_s"] * HOURS * 3600 / 1e6
            implied.append((row["hardware_usd"] / printed + row["gpus"] * KW * HOURS * 0.15) / mtok)
    assert sum(implied) / len(implied) == pytest.approx(7.74, abs=0.02)
    assert paper["table1_api_usd_per_mtok"]["Gemini 2.5 Pro"] == [1.25, 10.0]  # 7.08 blended


def test_the_papers_own_text_does_not_reproduce_its_table(paper: dict[str, Any]) -> None:
    errors = []
    for row, api, prices, printed in _cells(paper):
        if api != "Gemini 2.5 Pro":
            kw = 0.4 if row["gpu"].startswith("A100") else 0.575
            errors.append(abs((_owned(row, prices, kw, 160).payback_months() or 0) / printed - 1))
    assert sum(errors) / len(errors) == pytest.approx(0.107, abs=0.002)


def test_of_39_cells_that_pay_back_in_three_years_a_quarter_of_an_engineer_leaves_nine(paper: dict[str, Any]) -> None:
    quarter = People(share=0.25, usd_per_year=200_000, setup_hours=80)
    printed = kept = 0
    for row, _, prices, months in _cells(paper):
        alone = _owned(row, prices)
        found = Ownership(alone.machines, alone.bill_usd, quarter).payback_months(120)
        printed += months <= 36
        kept += found is not None and found <= 36
    assert (printed, kept) == (39, 9)


def test_inputs_of_buying_have_ranges_and_sources() -> None:
    for item in inputs().values():
        assert item.low <= item.value <= item.high
        assert item.unit
        assert item.source.name
