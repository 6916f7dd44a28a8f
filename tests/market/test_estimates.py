"""Estimates of throughput by an extra that is not installed here: what is asked of it, and what its answers say."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest

from freehold.economics.capacity.replica import replica_for
from freehold.market import estimates
from freehold.market.gpus import hardware
from freehold.market.serving import measured, served_model

QWEN, H200 = served_model("Qwen3-32B"), hardware("H200-141GB")


@dataclass
class Found:
    """What the extra answers with."""

    concurrency: int
    seq_per_second: float
    tpot: float


class Extra:
    """Stands in for the extra: a machine of known step and prompt times, that holds no more than 32 sequences."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.broken = False

    def estimate(self, path: str, system: str, **sizes: Any) -> Found:
        self.asked.append({"path": path, "system": system, **sizes})
        if self.broken or sizes["isl"] == 8192:
            raise KeyError("no table for this size")
        held = min(32, sizes["batch_size"])
        step_s = 0.01 + 1e-7 * held * (sizes["isl"] + sizes["osl"] / 2)
        seconds = sizes["isl"] * 2e-5 + step_s * (sizes["osl"] - 1)
        return Found(held, held / seconds, 1000 * step_s)


@pytest.fixture
def extra(monkeypatch: pytest.MonkeyPatch) -> Extra:
    made = Extra()
    for name in ("aiconfigurator", "aiconfigurator.cli", "aiconfigurator.cli.api"):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(sys.modules["aiconfigurator.cli.api"], "cli_estimate", made.estimate, raising=False)
    return made


def test_points_are_what_it_did_and_not_what_was_asked_of_it(extra: Extra) -> None:
    found = estimates.estimated(QWEN, H200, 2, 2)
    assert found is not None
    assert {one["system"] for one in extra.asked} == {"h200_sxm"}
    assert {one["tp_size"] for one in extra.asked} == {2}
    assert max(point.clients for point in found.points) == 32
    assert len(found.points) == len(extra.asked) - 1  # the size that it has no table for is left out
    for point in found.points:
        assert point.ttft_ms == pytest.approx(point.prompt_tokens * 0.02)


def test_fp8_is_asked_for_as_such(extra: Extra) -> None:
    estimates.estimated(QWEN, H200, 1, 1)
    assert {one["gemm_quant_mode"] for one in extra.asked} == {"fp8"}


def test_a_replica_from_estimates_says_so_and_is_wider_than_one_that_was_measured(extra: Extra) -> None:
    assert not measured("Qwen3-32B", "H200-141GB")
    found = replica_for(QWEN, H200, 2, 2, estimate=estimates.estimated)
    assert "estimates of aiconfigurator" in found.how
    assert estimates.VERSION in found.source.name
    assert (found.error >= 0.12, found.interval[0] <= 0.7, found.interval[1] >= 1.3) == (True, True, True)
    assert found.step_s == pytest.approx(0.01, rel=0.1)


def test_measured_points_come_before_estimates_and_these_before_a_roofline(extra: Extra) -> None:
    replica_for(served_model("Qwen3-32B"), hardware("H100-80GB"), estimate=estimates.estimated)
    assert extra.asked == []
    extra.broken = True
    assert "roofline" in replica_for(QWEN, H200, 2, 2, estimate=estimates.estimated).how
    assert extra.asked


def test_what_it_does_not_know_is_not_asked(extra: Extra) -> None:
    assert estimates.estimated(QWEN, hardware("V100-32GB"), 4, 2) is None
    assert estimates.estimated(QWEN, H200, 1, 0.5) is None
    assert extra.asked == []


def test_it_knows_models_and_gpus_of_the_catalogue_alone() -> None:
    for name in estimates.MODELS:
        assert served_model(name).name == name
    for name in estimates.GPUS:
        assert hardware(name).name == name


@pytest.mark.skipif(find_spec("aiconfigurator") is not None, reason="the extra is installed")
def test_without_the_extra_there_is_no_estimate() -> None:
    assert not estimates.installed()
    assert estimates.estimated(QWEN, H200, 2, 2) is None


@pytest.mark.skipif(find_spec("aiconfigurator") is None, reason=f"not installed: {estimates.INSTALL}")
def test_the_extra_itself_comes_near_to_what_was_measured() -> None:
    llama, gpu = served_model("Llama-3.1-8B"), hardware("H100-80GB")
    found = estimates.estimated(llama, gpu, 1, 2)
    assert found is not None
    ours = replica_for(llama, gpu, 1, points=found.points).sustained(2048, 256, 0.05)
    assert ours == pytest.approx(replica_for(llama, gpu, 1).sustained(2048, 256, 0.05), rel=0.25)
