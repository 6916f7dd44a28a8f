"""Fleets from real arrivals: how long a day takes, how good the throughput is, and a worked example beside ours.

    python benchmarks/fleets.py

A day of a million requests under the rate curve of a production workload, sized from nothing. Throughput of a replica,
fitted to a few measured points, against all the other measured points of the same model, GPU and engine, and that of a
roofline for which nothing was measured. The published worked example of a public chat trace (two H100 with the spare, a
quarter of an engineer, 11.5 USD an hour at 2.89 a GPU; 3, 4 and 5 GPUs where the same mean has peaks of 1.84, 2.98 and
3.24), beside the simulation, for the rate curves of five production workloads. It exits with 1 where the day takes 10
seconds or more, or where the median error against points that were not fitted is 10 % or more.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from freehold.economics.arrays import FloatArray
from freehold.economics.capacity import (
    Replica,
    Targets,
    Trace,
    from_rates,
    load,
    replica_for,
    replica_from_roofline,
    size_fleet,
)
from freehold.economics.capacity.replica import closed_loop
from freehold.market.gpus import hardware
from freehold.market.models import Point
from freehold.market.serving import measured, served_model

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "economics"
GPU_USD, PEOPLE_USD, PUBLISHED_USD = 2.89, 5.71, 11.5
LOOSE, TIGHT = Targets(2.0, 0.05), Targets(1.0, 0.01)
SERIES = (
    # model in the catalogue, GPU, and the rows that are about it
    ("Llama-3.1-8B", "H100", ("meta-llama/Llama-3.1-8B-Instruct", "h100_sxm", "trtllm", "", "1.0")),
    ("Qwen3-32B", "H100", ("Qwen/Qwen3-32B", "h100_sxm", "trtllm", "fp8", "1.0")),
    ("Llama-3.3-70B", "H100", ("meta-llama/Llama-3.1-70B", "h100_sxm", "vllm", "fp8", "4.0")),
    ("Llama-3.3-70B", "H200", ("meta-llama/Llama-3.1-70B", "h200_sxm", "vllm", "fp8", "1.0")),
    ("gpt-oss-120b", "H100", ("openai/gpt-oss-120b", "h100_sxm", "vllm", "fp4", "2.0")),
)
COLUMNS = ("model_path", "system", "backend", "precision", "tp_size")


def curves() -> dict[str, FloatArray]:
    """Requests a second by ten minutes, gaps in the record left out."""
    found: dict[str, list[float]] = defaultdict(list)
    with gzip.open(SHARED / "servegen_rate_10min.csv.gz", "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if float(row["requests_per_s"]) > 0:
                found[row["workload"]].append(float(row["requests_per_s"]))
    return {name: np.array(rates) for name, rates in found.items()}


def a_day(curve: FloatArray, lengths: Trace, replica: Replica) -> tuple[float, int]:
    """Seconds to size a fleet for a million requests in a day, and how many simulations that was."""
    day = curve[:144]
    trace = from_rates(day * 1e6 / (day.sum() * 600), 600, lengths)
    began = time.perf_counter()
    fleet = size_fleet(trace, replica, LOOSE, span=False)
    seconds = time.perf_counter() - began
    print(
        f"a day of {trace.requests:,} requests: {seconds:.1f} s for {len(fleet.tried)} simulations, "
        f"{fleet.replicas} replicas and a spare, {fleet.utilisation:.0%} used"
    )
    return seconds, len(fleet.tried)


def errors(replica: Replica, points: list[Point]) -> FloatArray:
    return np.array([abs(closed_loop(replica, p)[1] * p.seconds_per_request - 1) for p in points])


def throughput() -> tuple[float, float]:
    """Median error of requests a second: fitted, against points it has not seen, and by roofline."""
    with gzip.open(SHARED / "serving_measured.csv.gz", "rt", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if float(row["silicon_ttft_ms"]) < 5000]
    fitted, roofline = list[float](), list[float]()
    for name, chip, key in SERIES:
        model, gpu = served_model(name), hardware(chip)
        known = measured(name, gpu.name)[0]
        points = [
            Point(
                int(r["isl"]),
                int(r["osl"]),
                int(float(r["concurrency"])),
                float(r["silicon_ttft_ms"]),
                float(r["silicon_tpot_ms"]),
            )
            for r in rows
            if tuple(r[column] for column in COLUMNS) == key and float(r["attention_dp_size"] or 1) == 1
        ]
        unseen = [point for point in points if point not in known.points]
        ours = errors(replica_for(model, gpu, known.gpus), unseen)
        plain = errors(replica_from_roofline(model, gpu, known.gpus, known.bytes), unseen)
        print(
            f"{name} on {known.gpus} {gpu.name}: {len(unseen)} points not fitted, median error {np.median(ours):.1%} "
            f"(P90 {np.percentile(ours, 90):.0%}); roofline {np.median(plain):.1%} (P90 {np.percentile(plain, 90):.0%})"
        )
        fitted += ours.tolist()
        roofline += plain.tolist()
    return float(np.median(fitted)), float(np.median(roofline))


def worked_example(chat: Trace, replica: Replica) -> dict[str, dict[str, float]]:
    """The chat trace's fleet, and that of the same mean under five workloads' curves."""
    found: dict[str, dict[str, float]] = {}
    traces = {"the trace itself": (chat, chat.peak_ratio(600))}
    for name, curve in curves().items():
        top = int(np.argmax(curve))
        start = max(0, min(top - 72, len(curve) - 144))
        rates = curve[start : start + 144] * chat.mean_per_s / curve.mean()
        traces[name] = (from_rates(rates, 600, chat, gap_cv=1.09), float(curve.max() / curve.mean()))
    print(
        f"{'arrivals, mean 5.53/s':<24}{'peak/mean':>10}"
        + f"{'GPUs':>7}{'used':>7}{'USD/h':>8}" * 2
        + "   at 50 ms a token | at 10 ms"
    )
    for name, (trace, ratio) in traces.items():
        row: dict[str, float] = {"peak_ratio": round(ratio, 2)}
        for label, targets in (("50ms", LOOSE), ("10ms", TIGHT)):
            fleet = size_fleet(trace, replica, targets, span=False)
            # Use over the whole record, not over its busiest day alone, from which the fleet is sized.
            used = fleet.utilisation * chat.mean_per_s / trace.mean_per_s
            usd = fleet.gpus * GPU_USD + PEOPLE_USD
            row |= {f"gpus_{label}": fleet.gpus, f"used_{label}": round(used, 3), f"usd_{label}": round(usd, 2)}
        found[name] = row
        cells = "".join(
            f"{row[f'gpus_{x}']:>7}{row[f'used_{x}']:>7.0%}{row[f'usd_{x}']:>8.2f}" for x in ("50ms", "10ms")
        )
        print(f"{name:<24}{row['peak_ratio']:>10}{cells}", flush=True)
    return found


def main() -> int:
    if not SHARED.is_dir():
        print("skipped: ../shared/data/economics is not there")
        return 0
    chat = load(SHARED / "trace_azure_2023_conv.csv.gz")
    replica = replica_for(served_model("Llama-3.1-8B"), hardware("H100"))
    fitted, roofline = throughput()
    seconds, simulations = a_day(curves()["language/m-large"], chat, replica)
    example = worked_example(chat, replica)
    holds = seconds < 10 and fitted < 0.1
    figures = {
        "day_of_a_million_s": round(seconds, 2),
        "simulations": simulations,
        "throughput_median_error": round(fitted, 4),
        "roofline_median_error": round(roofline, 4),
        "worked_example": example,
    }
    reference = {"worked_example_usd": PUBLISHED_USD, "gpus": {"flat": 2, "1.84": 3, "2.98": 4, "3.24": 5}}
    ratio = round(example["the trace itself"]["usd_50ms"] / PUBLISHED_USD, 3)
    line = {"benchmark": "fleets", "figures": figures, "reference": reference, "ratio": ratio, "holds": holds}
    print(json.dumps(line))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
