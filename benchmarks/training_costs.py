"""Published training runs beside ours: hours, shares of the peak, money, and what lies beyond the final run.

    python benchmarks/training_costs.py

Four published things, each from its own source: GPU hours of model cards and the share of the peak that they imply by
6ND; measured training throughput of 216 settings; what MPT-7B and GPT-3 were said to cost; a code model of 2.7 billion
parameters for about 100,000 US dollars. It exits with 1 where a share differs from the published one by more than its
last digit, where throughput misses by more than 0.3 %, or where a published amount lies outside our P10 to P90.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

from freehold.economics.training import Shape, TrainingPlan, flops, implied_mfu, inputs_of, training_cost
from freehold.market.gpus import hardware
from freehold.market.models import gpu

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "economics"
SHAPES = {
    "125m": (12, 768),
    "350m": (24, 1024),
    "760m": (24, 1536),
    "1b": (24, 2048),
    "3b": (32, 2560),
    "7b": (32, 4096),
    "13b": (40, 5120),
    "30b": (48, 7168),
    "70b": (80, 8192),
}
"""Layers and width of the MPT family, whose throughput the published table is about."""


def cards(runs: list[dict[str, Any]]) -> float:
    """Largest difference from the published share of the peak, in points."""
    print(
        f"{'model card':>16}{'GPU hours':>14}{'published':>11}{'ours':>8}   final run at our price and our MFU, hours"
    )
    worst = 0.0
    for run in runs:
        chip = hardware(run["gpu"])
        plan = TrainingPlan(run["params"], run["tokens"], chip)
        share = implied_mfu(flops(plan).total, run["gpu_hours"], chip)
        worst = max(worst, abs(share - run["implied_mfu_6nd"]))
        ours = training_cost(plan, inputs_of(plan, gpu(chip.name)))
        hours = f"{ours.gpu_hours.low / 1000:,.0f} to {ours.gpu_hours.high / 1000:,.0f} thousand"
        print(
            f"{run['model']:>16}{run['gpu_hours']:>14,.0f}{run['implied_mfu_6nd']:>11.1%}{share:>8.1%}   "
            f"${ours.parts_usd['final_run'].mid:,.0f}, {hours}"
        )
    return 100 * worst


def throughput(rows: list[dict[str, str]]) -> tuple[float, float]:
    """Largest relative error of the share of the peak, with the attention term and without it."""
    worst = plain = 0.0
    for row in rows:
        layers, width = SHAPES[row["Model"]]
        chip = hardware("H100" if row["GPU"].startswith("h100") else "A100")
        plan = TrainingPlan(float(row["NumParams"]), 1, chip, shape=Shape(layers, width, int(row["SeqLen (T)"])))
        work, published = flops(plan), float(row["MFU"]) / 100
        per_flop = float(row["Throughput (T/s/GPU)"]) / chip.peak_flops(1 if "fp8" in row["Precision"] else 2)
        worst = max(worst, abs(work.total * per_flop / published - 1))
        plain = max(plain, abs(work.parameters * per_flop / published - 1))
    print(f"throughput, {len(rows)} settings: worst error {worst:.2%}; by 6ND alone {plain:.0%}")
    return worst, plain


def money() -> dict[str, tuple[float, float, float, float]]:
    """Published amount, and our P10, P50, P90 of the same, by name."""
    plans = {
        "MPT-7B, final run": (TrainingPlan(6.7e9, 1e12, hardware("A100-40GB")), {}, "final_run", 200_000.0),
        "GPT-3, final run on V100 at $1.50": (
            TrainingPlan(175e9, 300e9, hardware("V100")),
            {"mfu": 28 / 125, "gpu_usd_per_hour": 1.5},
            "final_run",
            4_600_000.0,
        ),
        "2.7B code model, people apart": (TrainingPlan(2.7e9, 525e9, hardware("A100")), {}, "cash", 100_000.0),
    }
    found: dict[str, tuple[float, float, float, float]] = {}
    for name, (plan, stated, part, published) in plans.items():
        ours = training_cost(plan, inputs_of(plan, gpu(plan.gpu.name), stated))
        span = ours.cash_usd if part == "cash" else ours.parts_usd[part]
        found[name] = (published, float(span.low), float(span.mid), float(span.high))
        print(
            f"{name}: published about ${published:,.0f}, ours ${span.mid:,.0f} (${span.low:,.0f} to ${span.high:,.0f})"
        )
        whole = float(ours.usd.mid)
        split = ", ".join(f"{key.replace('_', ' ')} {float(usd) / whole:.0%}" for key, usd in ours.split_usd.items())
        print(f"    all of it ${ours.usd.mid:,.0f}: {split}")
    return found


def main() -> int:
    if not SHARED.is_dir():
        print("skipped: ../shared/data/economics is not there")
        return 0
    published = json.loads((SHARED / "training_anchors.json").read_text("utf-8"))
    points = cards(published["llama_gpu_hours"])
    with (SHARED / "training_throughput_mosaic.csv").open(encoding="utf-8") as lines:
        worst, plain = throughput(list(csv.DictReader(lines)))
    amounts = money()
    inside = {name: low * 0.98 <= said <= high * 1.02 for name, (said, low, _, high) in amounts.items()}
    holds = points <= 0.11 and worst <= 0.003 and all(inside.values())
    figures = {
        "mfu_points_off": round(points, 3),
        "throughput_worst_error": round(worst, 5),
        "usd": {
            name: {"p10": round(low), "p50": round(mid), "p90": round(high)}
            for name, (_, low, mid, high) in amounts.items()
        },
    }
    reference = {
        "throughput_worst_error_6nd": round(plain, 3),
        "usd": {name: said for name, (said, *_) in amounts.items()},
    }
    ratio = round(worst / plain, 5)
    line = {"benchmark": "training_costs", "figures": figures, "reference": reference, "ratio": ratio, "holds": holds}
    print(json.dumps(line))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
