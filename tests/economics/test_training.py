"""What training costs: published runs by the same arithmetic, and what must hold of any plan."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from benchmarks.training_costs import SHAPES
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.economics.training import Flops, Shape, TrainingPlan, flops, implied_mfu, inputs_of, training_cost
from freehold.errors import UsageError
from freehold.market.gpus import hardware
from freehold.market.models import Gpu, gpu

SHARED = Path(__file__).parents[3] / "shared" / "data" / "economics"
shared_data = pytest.mark.shared_data
absent = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/economics is absent")


def rental(name: str = "H100-80GB") -> Gpu:
    return gpu(hardware(name).name)


def plan(params: float = 3e9, tokens: float = 525e9, name: str = "H100", **more: Any) -> TrainingPlan:
    return TrainingPlan(params, tokens, hardware(name), **more)


@shared_data
@absent
def test_the_model_cards_hours_imply_the_published_share_of_the_peak() -> None:
    runs = json.loads((SHARED / "training_anchors.json").read_text("utf-8"))["llama_gpu_hours"]
    assert len(runs) == 8
    for run in runs:
        found = implied_mfu(
            flops(plan(run["params"], run["tokens"], run["gpu"])).total, run["gpu_hours"], hardware(run["gpu"])
        )
        assert round(found, 3) == pytest.approx(run["implied_mfu_6nd"], abs=0.0011), run["model"]


@shared_data
@absent
def test_measured_throughput_gives_the_published_share_of_the_peak_with_the_attention_term() -> None:
    with (SHARED / "training_throughput_mosaic.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 216
    without = 0
    for row in rows:
        layers, width = SHAPES[row["Model"]]
        shape = Shape(layers, width, int(row["SeqLen (T)"]))
        name = "H100" if row["GPU"].startswith("h100") else "A100"
        work = flops(plan(float(row["NumParams"]), 1, name, shape=shape))
        peak = hardware(name).peak_flops(1 if "fp8" in row["Precision"] else 2)
        mfu = 100 * work.total * float(row["Throughput (T/s/GPU)"]) / peak
        assert mfu == pytest.approx(float(row["MFU"]), rel=0.003), row
        without += work.parameters / work.total < 0.997
    assert without > 150  # 6ND alone would miss most of them


def test_mpt_7b_took_the_hours_and_the_money_that_were_published() -> None:
    """440 A100 for 9.5 days; about 200,000 USD."""
    work = flops(plan(6.7e9, 1e12, "A100-40GB"))
    assert implied_mfu(work.total, 440 * 9.5 * 24, hardware("A100-40GB")) == pytest.approx(0.357, abs=0.001)
    mpt = plan(6.7e9, 1e12, "A100-40GB", gpus=440)
    found = training_cost(mpt, inputs_of(mpt, rental("A100-40GB"), {"mfu": 0.357, "gpu_usd_per_hour": 2.0}))
    assert float(found.gpu_hours.mid) == pytest.approx(100_320, rel=0.01)
    assert float(found.days.mid) == pytest.approx(9.5, rel=0.01)
    assert float(found.parts_usd["final_run"].mid) == pytest.approx(200_000, rel=0.02)


def test_gpt_3_by_the_estimate_of_2020() -> None:
    """3.15e23 FLOP at 28 TFLOP/s of a V100 for 1.50 an hour: 355 GPU years, 4.7 million."""
    gpt = plan(175e9, 300e9, "V100")
    assert flops(gpt).total == pytest.approx(3.15e23)
    found = training_cost(gpt, inputs_of(gpt, None, {"mfu": 28 / 125, "gpu_usd_per_hour": 1.5}))
    assert float(found.gpu_hours.mid) / 8766 == pytest.approx(356.5, rel=0.01)
    assert float(found.parts_usd["final_run"].mid) == pytest.approx(4.69e6, rel=0.005)


def test_a_code_model_for_100_000_and_what_the_part_beyond_the_final_run_is() -> None:
    """2.7 billion parameters, 525 billion tokens: the final run is 38,000 USD at 2 USD and 40 %."""
    code = plan(2.7e9, 525e9, "A100")
    exact = training_cost(code, inputs_of(code, None, {"mfu": 0.4, "gpu_usd_per_hour": 2.0}))
    assert float(exact.parts_usd["final_run"].mid) == pytest.approx(38_000, rel=0.01)
    assert Decimal(40_000) < exact.cash_usd.low < exact.cash_usd.mid < Decimal(100_000)
    ranged = training_cost(code, inputs_of(code, rental("A100-80GB")))
    assert ranged.cash_usd.low < Decimal(100_000) < ranged.cash_usd.high
    assert ranged.usd.low > Decimal(100_000)  # with people, 100,000 is not enough
    final = ranged.split_usd["final_run"]
    assert ranged.split_usd["failed_runs_and_trials"] > final / 5
    assert ranged.split_usd["people"] > final


def test_the_split_adds_up_to_the_median() -> None:
    found = training_cost(plan(), inputs_of(plan(), rental()))
    assert abs(sum(found.split_usd.values()) - found.usd.mid) < Decimal("0.01")


def test_every_input_has_a_source_and_a_given_one_no_range() -> None:
    found = inputs_of(plan(), rental(), {"mfu": 0.4, "data_usd": 5000}, {"mfu": "settings"})
    assert all(item.source.name and item.unit for item in found.values())
    assert found["mfu"].low == found["mfu"].high == Decimal("0.4")
    assert found["mfu"].source.name == "settings"
    assert not found["mfu"].source.assumed
    assert found["runs"].low == Decimal("1.2")
    assert found["runs"].high == Decimal(2)
    assert "data_usd_per_btok" not in found
    cost = training_cost(plan(), found)
    assert cost.parts_usd["data"].low == cost.parts_usd["data"].high == Decimal(5000)


@pytest.mark.parametrize(
    ("name", "value"),
    [("mfu", 1.5), ("mfu", 0), ("runs", 0.9), ("engineers", -1), ("gpu_usd_per_hour", float("nan")), ("mood", 1)],
)
def test_what_makes_no_sense_is_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=name):
        inputs_of(plan(), rental(), {name: value})


def test_a_gpu_without_a_price_asks_for_one() -> None:
    with pytest.raises(UsageError, match="rents for"):
        inputs_of(plan(name="MI300X"), None)


def test_people_come_whole_and_in_half_months() -> None:
    given_ = {"engineers": 1.2, "months_beside_run": 1.0, "engineer_usd_per_year": 120_000.0, "mfu": 0.4}
    found = training_cost(plan(gpus=64), inputs_of(plan(gpus=64), rental(), given_))
    assert found.parts_usd["people"].mid == Decimal(2 * 10_000) * Decimal("1.5")  # days of the run round up to half


def test_attention_has_no_weights_that_could_stay_frozen() -> None:
    shape = Shape(32, 4096, 8192)
    whole, lora = (flops(plan(7e9, 1e9, shape=shape, frozen=frozen)) for frozen in (False, True))
    assert lora.attention == whole.attention == 12 * 32 * 4096 * 8192 * 1e9
    assert lora.parameters == pytest.approx(whole.parameters * 2 / 3)


@pytest.mark.parametrize("mfu", [0.01, 0.9])
def test_a_share_of_the_peak_that_somebody_states_is_used_as_stated(mfu: float) -> None:
    found = training_cost(plan(), inputs_of(plan(), rental(), {"mfu": mfu}))
    hours = flops(plan()).total / (hardware("H100").peak_flops() * mfu * 3600)
    assert float(found.gpu_hours.mid) == pytest.approx(hours, rel=1e-6)


def test_one_gpu_that_is_done_in_a_day_is_no_node() -> None:
    small = plan(1e8, 1e8)
    found = training_cost(small, inputs_of(small, rental()))
    assert found.gpus == 1
    assert "1 GPU: it holds the state and finishes in a day" in found.notes


def test_frozen_weights_take_two_thirds_and_less_memory() -> None:
    whole, lora = plan(70e9, 1e9), plan(70e9, 1e9, frozen=True)
    assert flops(lora).total == pytest.approx(flops(whole).total * 2 / 3)
    few = training_cost(plan(70e9, 1e9, gpus=2), inputs_of(whole, rental()))
    assert any("do not hold" in note for note in few.notes)
    assert training_cost(lora, inputs_of(lora, rental())).gpus <= training_cost(whole, inputs_of(whole, rental())).gpus


def test_experts_are_paid_by_the_parameters_in_use_and_stored_whole() -> None:
    dense, sparse = plan(13e9, 1e12), plan(47e9, 1e12, active_params=13e9)
    assert flops(dense) == flops(sparse) == Flops(6 * 13e9 * 1e12, 0.0)


@settings(max_examples=40, deadline=None)
@given(
    params=st.floats(1e7, 1e12),
    tokens=st.floats(1e7, 1e14),
    more=st.floats(1.01, 10),
    name=st.sampled_from(["H100", "A100", "B200"]),
)
def test_more_parameters_tokens_or_a_dearer_gpu_never_cost_less(
    params: float, tokens: float, more: float, name: str
) -> None:
    def cost(one: TrainingPlan, **stated: float) -> float:
        team = {"engineers": 2.0, "months_beside_run": 1.0, "gpu_usd_per_hour": 2.0, **stated}
        return float(training_cost(one, inputs_of(one, None, team)).usd.mid)

    base = plan(params, tokens, name, gpus=64)
    assert cost(base) <= cost(plan(params * more, tokens, name, gpus=64))
    assert cost(base) <= cost(plan(params, tokens * more, name, gpus=64))
    assert cost(base) <= cost(base, gpu_usd_per_hour=2.0 * more)
    assert cost(base) <= cost(base, runs=2.5)
    assert cost(base, mfu=0.45) <= cost(base, mfu=0.25)


def test_the_same_seed_says_the_same() -> None:
    assert training_cost(plan(), inputs_of(plan(), rental())) == training_cost(plan(), inputs_of(plan(), rental()))


def test_every_input_is_explained_in_the_docs_with_its_values() -> None:
    page = (
        (Path(__file__).parents[2] / "docs" / "economics.md").read_text("utf-8").partition("## What training costs")[2]
    )
    rows = {line.split("`")[1]: line.split("|")[2:5] for line in page.splitlines() if line.startswith("| `")}
    for name, item in inputs_of(plan(), rental()).items():
        if name in {"engineers", "months_beside_run", "gpu_usd_per_hour"}:
            assert f"`{name}`" in page
            continue
        stated = [float(cell.replace(",", "")) for cell in rows[name]]
        assert stated == [float(item.low), float(item.value), float(item.high)], name
