"""From arrivals to a fleet: what must hold of any, and the traps that such sums fall into."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import msgspec
import numpy as np
import pytest

from freehold.economics.capacity import (
    Policy,
    Replica,
    Targets,
    Trace,
    from_rates,
    load,
    replica_for,
    replica_from_points,
    replica_from_roofline,
    size_fleet,
)
from freehold.economics.capacity.replica import closed_loop, least_gpus
from freehold.economics.capacity.roofline import OVERHEADS, Sample, bare, learn
from freehold.economics.capacity.trace import of_requests
from freehold.errors import UsageError
from freehold.market.gpus import hardware
from freehold.market.models import Point
from freehold.market.serving import Measured, measured, served_model, served_models

SHARED = Path(__file__).parents[4] / "shared" / "data" / "economics"
LLAMA = served_model("Llama-3.1-8B")
H100 = hardware("H100")

shared_data = pytest.mark.shared_data
absent = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/economics is absent")


def llama() -> Replica:
    return replica_for(LLAMA, H100)


def slow() -> Replica:
    """A tenth as fast, so that a fleet of several takes few requests to try."""
    return llama().faster(0.1)


LOOSE = Targets(ttft_s=10, tpot_s=0.5)
"""The targets that go with it."""


def lengths() -> Trace:
    rng = np.random.default_rng(5)
    rows = zip(range(500), rng.integers(100, 3000, 500), rng.integers(20, 400, 500), strict=True)
    return of_requests("lengths", rows)


def steady(per_s: float, seconds: float = 600, seed: int = 0) -> Trace:
    return from_rates(np.full(int(seconds / 60), per_s), 60, lengths(), seed=seed)


def peaky(mean: float, ratio: float) -> Trace:
    """Half an hour whose busiest five minutes have `ratio` times the mean, the rest the same less."""
    rest = (6 - ratio) / 5
    return from_rates(np.repeat([rest, rest, ratio, rest, rest, rest], 5) * mean, 60, lengths())


def test_the_peak_and_not_the_mean_decides() -> None:
    """Pitfall: sizing for the mean, at a use that somebody typed in."""
    flat, burst = (
        size_fleet(peaky(3, 1.0), slow(), LOOSE, span=False),
        size_fleet(peaky(3, 4.0), slow(), LOOSE, span=False),
    )
    assert burst.replicas > flat.replicas
    assert burst.utilisation < 0.75 * flat.utilisation < 0.75
    assert burst.mean_per_s == pytest.approx(flat.mean_per_s, rel=0.1)


def test_utilisation_counts_the_spare_and_follows_from_the_load() -> None:
    fleet = size_fleet(steady(2), slow(), LOOSE, Policy(spare=1), span=False)
    bare = size_fleet(steady(2), slow(), LOOSE, Policy(spare=0), span=False)
    assert fleet.gpus == bare.gpus + 1
    assert fleet.utilisation == pytest.approx(bare.utilisation * bare.replicas / (bare.replicas + 1))


def test_throughput_is_taken_under_the_target_and_not_at_any_latency() -> None:
    """Pitfall: peak tokens a second at any latency."""
    tight, loose = (size_fleet(steady(4), slow(), Targets(10, tpot_s), span=False).replicas for tpot_s in (0.12, 1.0))
    assert tight > loose
    assert llama().sustained(1024, 256, 0.012) < 0.7 * llama().sustained(1024, 256, 0.1)


def test_output_tokens_are_not_total_tokens() -> None:
    """Pitfall: tokens in and out confused; a prompt token is far cheaper than one of an answer."""
    reads, writes = llama().sustained(2000, 100, 0.05), llama().sustained(100, 2000, 0.05)
    assert reads > 2.5 * writes


def test_more_calls_slower_machines_or_tighter_targets_never_take_fewer_replicas() -> None:
    replicas = [size_fleet(steady(rate), slow(), LOOSE, span=False).replicas for rate in (0.5, 2.5, 6, 12)]
    assert replicas == sorted(replicas)
    assert replicas[-1] > replicas[0]
    speeds = [size_fleet(steady(6), slow().faster(f), LOOSE, span=False).replicas for f in (0.5, 1, 2)]
    assert speeds == sorted(speeds, reverse=True)


def test_the_fleet_it_names_holds_and_one_less_does_not() -> None:
    fleet = size_fleet(steady(7), slow(), LOOSE, span=False)
    held = {tried.replicas: tried.windows_held for tried in fleet.tried}
    assert held[fleet.replicas] >= 0.99
    assert fleet.replicas > 1
    assert held[fleet.replicas - 1] < 0.99


def test_error_of_the_throughput_makes_a_span() -> None:
    fleet = size_fleet(steady(8), msgspec.structs.replace(slow(), interval=(0.65, 1.35)), LOOSE)
    assert fleet.span[0] < fleet.replicas < fleet.span[1]


def test_an_impossible_target_is_refused_with_a_reason() -> None:
    with pytest.raises(UsageError, match="even alone"):
        size_fleet(steady(1), llama(), Targets(tpot_s=0.001))
    with pytest.raises(UsageError, match="first token of long prompts, even alone"):
        size_fleet(steady(1, 300), llama(), Targets(ttft_s=0.1))


def test_an_hour_is_not_taken_for_a_week() -> None:
    """Pitfall: a one-hour trace treated as a week, without its daily cycle."""
    assert any("no daily cycle" in note for note in size_fleet(steady(2), llama(), span=False).notes)
    day = from_rates(np.full(144, 0.05), 600, lengths())
    assert any("no weekly cycle" in note for note in day.notes())


def test_autoscaling_pays_for_its_delay() -> None:
    curve = 3 * (1 + 0.9 * np.sin(np.linspace(0, 4 * np.pi, 60)))
    trace, loose = from_rates(curve, 120, lengths()), LOOSE
    fleets = [size_fleet(trace, slow(), loose, Policy(start_s=delay), span=False).autoscaled for delay in (60.0, 900.0)]
    quick, late = fleets
    assert quick is not None
    assert late is not None
    fixed = size_fleet(trace, slow(), loose, span=False)
    assert quick.mean_replicas < late.mean_replicas <= fixed.replicas + fixed.spare
    assert quick.headroom <= late.headroom


def test_peaks_that_no_headroom_foresees_keep_the_whole_fleet_running() -> None:
    rates = np.full(60, 0.01)
    rates[5::6], rates[0] = 20.0, 1.0  # out of nothing, every half hour
    slowest, targets = llama().faster(0.03), Targets(ttft_s=30, tpot_s=2)
    fleet = size_fleet(from_rates(rates, 300, lengths()), slowest, targets, Policy(start_s=300.0), span=False)
    assert fleet.replicas > 20
    assert fleet.autoscaled is not None
    assert fleet.autoscaled.mean_replicas == fleet.autoscaled.most_replicas == fleet.replicas + fleet.spare
    assert fleet.autoscaled.headroom == fleet.replicas


def test_rollouts_cost_their_surge() -> None:
    without = size_fleet(steady(5), llama(), policy=Policy(rollouts=0), span=False)
    weekly = size_fleet(steady(5), llama(), policy=Policy(rollouts=4, rollout_hours=0.5, surge=2), span=False)
    assert weekly.replica_hours - without.replica_hours == pytest.approx(4)


@pytest.mark.parametrize("model", [one.name for one in served_models() if measured(one.name)])
def test_fits_meet_the_points_they_are_fitted_to(model: str) -> None:
    for known in measured(model):
        replica = replica_from_points(served_model(model), known)
        assert replica.error < 0.05, replica.name
        assert not replica.refused
        assert "fitted to" in replica.how


def test_a_point_beyond_the_chips_arithmetic_is_refused() -> None:
    """1,000 tokens in and 100 out at more than nine thousand tokens out a second and GPU: reused prompts."""
    quick = Point(1000, 100, 256, 200.0, 25.0)
    with pytest.raises(UsageError, match="of the peak"):
        replica_for(LLAMA, H100, points=[quick] * 4)
    known = measured("Llama-3.1-8B")[0]
    mixed = Measured(known.model, known.gpu, 1, 2, "s", "", (*known.points, quick))
    found = replica_from_points(LLAMA, mixed)
    assert len(found.refused) == 1
    assert found.step_s == replica_from_points(LLAMA, known).step_s


def test_per_node_is_not_per_gpu() -> None:
    """Pitfall: throughput of a node of eight quoted per GPU. Four times the clients' rate on one GPU is refused."""
    node = [
        Point(p.prompt_tokens, p.output_tokens, 8 * p.clients, p.ttft_ms, p.tpot_ms)
        for p in measured("Llama-3.1-8B")[0].points
    ]
    with pytest.raises(UsageError, match="of the peak"):
        replica_for(LLAMA, H100, points=[p for p in node if p.clients >= 512])


def test_sources_come_in_order() -> None:
    known = measured("Llama-3.1-8B")[0]
    assert "12 measured" in replica_for(LLAMA, H100).how
    assert "8 measured" in replica_for(LLAMA, H100, points=known.points[:8]).how
    assert replica_for(LLAMA, H100, points=known.points[:8]).source.name == "own points"
    roofline = replica_for(LLAMA, hardware("L40S"))
    assert "roofline" in roofline.how
    assert roofline.interval == (0.6, 1.4)


def test_a_rooflines_efficiency_falls_with_more_gpus() -> None:
    """Eight GPUs read the weights eight times as fast, and yet a step is nowhere near eight times as short."""
    big = served_model("Llama-3.3-70B")
    one, eight = (replica_from_roofline(big, hardware("H200"), n, 1) for n in (1, 8))
    assert 1.5 < one.step_s / eight.step_s < 4
    assert one.step_s > 70.6e9 / 4.8e12


def test_overheads_are_learned_back_from_points_that_they_made() -> None:
    samples: list[Sample] = []
    for name in ("Llama-3.1-8B", "Qwen3-32B", "Llama-3.3-70B", "gpt-oss-120b"):
        for gpus in (1, 2, 4, 8):
            model, chip = served_model(name), hardware("B200")
            replica = replica_from_roofline(model, chip, gpus, 1)
            for shape in ((1024, 256, 8), (1024, 1024, 64), (8192, 256, 16), (4096, 512, 128)):
                tpot, rate = closed_loop(replica, Point(*shape, 1.0, 1.0))
                ttft = 1000 * shape[2] / rate - tpot * (shape[1] - 1)
                samples.append(Sample(name, bare(model, chip, gpus, 1), Point(*shape, ttft, tpot)))
    for found, made in zip(learn(samples), OVERHEADS, strict=True):
        assert found == pytest.approx(made, rel=0.01, abs=1e-9)


def test_what_does_not_fit_says_what_would() -> None:
    big = served_model("Llama-3.3-70B")
    with pytest.raises(UsageError, match="does not fit"):
        replica_from_roofline(big, hardware("L4"), 1, 2)
    with pytest.raises(UsageError, match="does not fit into eight"):
        least_gpus(served_model("gpt-oss-120b"), hardware("L4"), 2)
    assert least_gpus(big, H100, 1) == 2
    assert least_gpus(big, hardware("H200"), 1) == 1


def test_a_trace_is_read_by_any_of_its_usual_names(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n5,10,2\n3,20,4\n", "utf-8")
    trace = load(path)
    assert trace.arrival_s.tolist() == [0.0, 2.0]
    assert trace.prompt_tokens.tolist() == [20.0, 10.0]
    path.write_text("arrival_s,prompt_tokens\n1,2\n", "utf-8")
    with pytest.raises(UsageError, match="output_tokens"):
        load(path)
    path.write_text("arrival_s,prompt_tokens,output_tokens\n1,2,x\n", "utf-8")
    with pytest.raises(UsageError, match="line 2"):
        load(path)
    path.write_text("arrival_s,prompt_tokens,output_tokens\n", "utf-8")
    with pytest.raises(UsageError, match="no request"):
        load(path)


def test_more_of_a_trace_keeps_its_curve() -> None:
    trace = peaky(10, 3.0)
    for factor in (0.5, 2.5):
        more = trace.times(factor)
        assert more.requests == pytest.approx(factor * trace.requests, rel=0.03)
        assert more.peak_ratio(300) == pytest.approx(trace.peak_ratio(300), rel=0.1)


@pytest.mark.parametrize("factor", [1e6, 1e300])
def test_more_requests_than_can_be_simulated_are_refused_and_not_made(factor: float) -> None:
    with pytest.raises(UsageError, match=r"more than the 20,000,000") as error:
        peaky(10, 3.0).times(factor)
    assert "freehold verdict --volume" in error.value.hint


@pytest.mark.parametrize("cv", [1.0, 3.0])
def test_a_rate_curve_brings_its_mean_and_its_bursts(cv: float) -> None:
    found = from_rates(np.full(200, 20.0), 60, lengths(), gap_cv=cv)
    gaps = np.diff(found.arrival_s)
    assert found.mean_per_s == pytest.approx(20, rel=0.04)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.1)


@shared_data
@absent
def test_the_fit_meets_measured_points_that_it_was_not_fitted_to() -> None:
    """Llama 8B on one H100 and 70B on four: all rows but those of the catalogue; queued ones apart."""
    rows = {
        "Llama-3.1-8B": ("meta-llama/Llama-3.1-8B-Instruct", "trtllm", "1.0"),
        "Llama-3.3-70B": ("meta-llama/Llama-3.1-70B", "vllm", "4.0"),
    }
    with gzip.open(SHARED / "serving_measured.csv.gz", "rt", encoding="utf-8") as lines:
        every = [row for row in csv.DictReader(lines) if row["system"] == "h100_sxm"]
    for model, (path, engine, gpus) in rows.items():
        known = measured(model, "H100-80GB")[0]
        replica = replica_from_points(served_model(model), known)
        held_out = [
            point
            for row in every
            if (row["model_path"], row["backend"], row["tp_size"]) == (path, engine, gpus)
            and float(row["silicon_ttft_ms"]) < 5000
            and (
                point := Point(
                    int(row["isl"]),
                    int(row["osl"]),
                    int(float(row["concurrency"])),
                    float(row["silicon_ttft_ms"]),
                    float(row["silicon_tpot_ms"]),
                )
            )
            not in known.points
        ]
        assert len(held_out) >= 7
        errors = [abs(closed_loop(replica, p)[1] * p.seconds_per_request - 1) for p in held_out]
        assert float(np.median(errors)) < 0.04, model
        assert float(np.percentile(errors, 90)) < 0.12, model


@shared_data
@absent
def test_the_worked_example_of_a_chat_trace() -> None:
    """Published: one H100 carries it, the second is redundancy."""
    trace = load(SHARED / "trace_azure_2023_conv.csv.gz")
    assert trace.mean_per_s == pytest.approx(5.53, abs=0.01)
    fleet = size_fleet(trace, llama(), span=False)
    assert (fleet.replicas, fleet.gpus) == (1, 2)
    assert 0.05 < fleet.utilisation < 0.4
    assert fleet.ttft_s["p95"] < 1
