"""Inputs nobody measured: listed, ranged, overridable, and drawn the same way every time."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.support.workloads import a_certificate, a_workload

from freehold.economics.assumptions import assumptions, draw
from freehold.economics.options.trained_from_scratch import scratch_training
from freehold.economics.quality import QualityFacts
from freehold.errors import ConfigurationError
from freehold.settings import EconomicsSettings

NAMED = EconomicsSettings(
    engineer_usd_per_year=90_000,
    student_upkeep_hours_per_month=3,
    hosting_engineer_share=0.5,
    gold_label_usd=0.2,
    gpu_usd_per_hour=2,
    discount_rate_per_year=0.08,
    price_decline_per_year=0.1,
)


def test_every_input_has_an_ordered_range_a_unit_and_a_source() -> None:
    for item in assumptions(a_workload(100), QualityFacts(), EconomicsSettings()).values():
        assert item.low <= item.value <= item.high, item
        assert item.unit, item
        assert item.source.name, item
        assert item.source.assumed, item


def test_every_setting_replaces_its_default_and_is_no_assumption_any_more() -> None:
    found = assumptions(a_workload(100), QualityFacts(), NAMED)
    for name in NAMED.__struct_fields__:
        if name != "assume":
            item = found[name]
            assert float(item.value) == getattr(NAMED, name)
            assert item.low == item.value == item.high
            assert not item.source.assumed


def test_any_input_can_be_given_by_name_and_an_unknown_name_is_refused() -> None:
    settings = EconomicsSettings(assume={"burst_ratio": 3.0})
    assert float(assumptions(a_workload(100), QualityFacts(), settings)["burst_ratio"].value) == 3
    with pytest.raises(ConfigurationError, match=r"economics\.assume\.brust_ratio"):
        assumptions(a_workload(100), QualityFacts(), EconomicsSettings(assume={"brust_ratio": 3.0}))
    with pytest.raises(ConfigurationError, match="negative"):
        assumptions(a_workload(100), QualityFacts(), EconomicsSettings(gold_label_usd=-1))


def test_every_input_is_explained_in_the_docs_with_its_values() -> None:
    page = (
        (Path(__file__).parents[2] / "docs" / "economics.md").read_text("utf-8").partition("## What training costs")[0]
    )
    rows = {line.split("`")[1]: line.split("|")[2:5] for line in page.splitlines() if line.startswith("| `")}
    training = scratch_training()
    whole = {which: round(getattr(training, which)) for which in ("low", "value", "high")}
    also = {training.name: msgspec.structs.replace(training, **whole)}
    for name, item in assumptions(a_workload(100), QualityFacts(), EconomicsSettings(), also).items():
        assert name in rows, name
        if name in {"volume_ratio", "student_coverage"}:
            continue
        stated = [float(cell.replace(",", "")) for cell in rows[name]]
        assert stated == [float(item.low), float(item.value), float(item.high)], name


def test_scenarios_meet_the_stated_range_and_repeat() -> None:
    inputs = assumptions(a_workload(20_000), QualityFacts(), EconomicsSettings())
    one, again, other = draw(inputs, 1001, 7), draw(inputs, 1001, 7), draw(inputs, 1001, 8)
    assert all(np.array_equal(one[name], again[name]) for name in inputs)
    assert any(not np.array_equal(one[name], other[name]) for name in inputs)
    for name, item in inputs.items():
        low, mid, high = np.percentile(one[name], (10, 50, 90))
        assert mid == pytest.approx(float(item.value)), name
        assert high == pytest.approx(float(item.high), rel=0.02, abs=0.01), name
        assert low == pytest.approx(float(item.low), rel=0.02, abs=0.01), name


def test_an_input_is_drawn_alike_whatever_the_others_are() -> None:
    inputs = assumptions(a_workload(100), QualityFacts(), EconomicsSettings())
    alone = {"burst_ratio": inputs["burst_ratio"]}
    assert np.array_equal(draw(alone, 101, 3)["burst_ratio"], draw(inputs, 101, 3)["burst_ratio"])


def test_a_certificate_is_evidence_and_not_an_assumption() -> None:
    facts = QualityFacts(kind="classification", certificate=a_certificate(0.87))
    item = assumptions(a_workload(100), facts, EconomicsSettings())["student_coverage"]
    assert float(item.value) == 0.87
    assert not item.source.assumed
    hopeless = QualityFacts(kind="free_text", certificate=a_certificate(0, certified=False, labels_needed=None))
    assert float(assumptions(a_workload(100), hopeless, EconomicsSettings())["student_coverage"].high) == 0


def test_a_short_log_widens_the_volume() -> None:
    spreads = [
        float(item.high - item.low)
        for item in (
            assumptions(a_workload(1000, days=days), QualityFacts(), EconomicsSettings())["volume_ratio"]
            for days in (0.01, 3, 14, 60)
        )
    ]
    assert spreads == sorted(spreads, reverse=True)
    assert len(set(spreads)) == 4


def test_declared_growth_is_given() -> None:
    item = assumptions(a_workload(100, monthly_growth=0.1), QualityFacts(), EconomicsSettings())["monthly_growth"]
    assert (float(item.value), item.source.assumed) == (0.1, False)
