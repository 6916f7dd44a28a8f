"""How well serving speed is estimated: 2,780 measured points of ten families of models, each judged without itself.

    python benchmarks/serving_points.py

With neighbours: each series (model, GPU, engine, precision, parallelism) is fitted on four fifths of its points and
judged on the rest. Without: the roofline's overheads are learned from the other families and judged on the one left
out. The reference is a roofline with one efficiency for all. Errors are of the time per output token and of requests a
second in the measured closed loop; an interval is good where it holds the measured rate. Points with queues (five
seconds to the first token) and those of attention in parallel are left out. It exits with 1 where the median error per
token is 10 % or more with neighbours or 20 % or more without, where the intervals hold less than 85 %, or where the
shipped overheads are no longer those that the points teach.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from freehold.economics.capacity.replica import (
    Replica,
    closed_loop,
    refusal,
    replica_from_points,
    replica_from_roofline,
)
from freehold.economics.capacity.roofline import OVERHEADS, Sample, bare, learn
from freehold.errors import UsageError
from freehold.market.gpus import Hardware, hardware
from freehold.market.models import Point
from freehold.market.serving import Measured, ServedModel

FILE = Path(__file__).resolve().parents[2] / "shared" / "data" / "economics" / "serving_measured.csv.gz"
CHIPS = {"h100_sxm": "H100", "h200_sxm": "H200", "b200_sxm": "B200"}
BYTES = {"fp8": 1.0, "fp4": 0.55, "int4": 0.55, "bf16": 2.0, "": 2.0}
FOLDS, LEAST = 5, 8


def _model(
    name: str, params: float, active: float, layers: int, heads: int, dim: int, experts: int = 0, used: int = 0
) -> ServedModel:
    return ServedModel(name, params, active, layers, heads, dim, "the model's config.json", "", experts, used)


# A compressed cache of 576 values a token and layer stands as one head of 288, since keys and values count twice.
DEEPSEEK = _model("DeepSeek-V3", 671, 37, 61, 1, 288, 256, 8)
LLAMA_8B = _model("Llama-3.1-8B", 8.03, 8.03, 32, 8, 128)
MODELS = {
    "deepseek-ai/DeepSeek-R1": DEEPSEEK,
    "deepseek-ai/DeepSeek-V3": DEEPSEEK,
    "nvidia/DeepSeek-R1-NVFP4": DEEPSEEK,
    "nvidia/DeepSeek-V3.1-NVFP4": DEEPSEEK,
    "meta-llama/Llama-3.1-8B-Instruct": LLAMA_8B,
    "nvidia/Llama-3.1-8B-Instruct-FP8": LLAMA_8B,
    "meta-llama/Llama-3.1-70B": _model("Llama-3.1-70B", 70.6, 70.6, 80, 8, 128),
    "Qwen/Qwen3-32B": _model("Qwen3-32B", 32.8, 32.8, 64, 8, 128),
    "nvidia/Qwen3-32B-NVFP4": _model("Qwen3-32B", 32.8, 32.8, 64, 8, 128),
    "openai/gpt-oss-120b": _model("gpt-oss-120b", 116.8, 5.1, 36, 8, 64, 128, 4),
    "MiniMaxAI/MiniMax-M2.5": _model("MiniMax-M2.5", 229, 10, 62, 8, 128, 256, 8),
    "Qwen/Qwen3-235B-A22B-FP8": _model("Qwen3-235B", 235, 22, 94, 4, 128, 128, 8),
    "Qwen/Qwen3.5-397B-A17B": _model("Qwen3.5-397B", 397, 17, 60, 1, 128, 512, 10),
    "moonshotai/Kimi-K2.5": _model("Kimi-K2.5", 1040, 32, 61, 1, 288, 384, 8),
    "zhipuai/GLM-5": _model("GLM-5", 744, 40, 78, 1, 288, 256, 8),
}


class Row(NamedTuple):
    """A measured point, whose it is, and the series that it belongs to."""

    model: ServedModel
    chip: Hardware
    gpus: int
    size: float
    series: tuple[str, ...]
    point: Point


class Judged(NamedTuple):
    """Relative errors of the time per token and of the rate, and whether the interval held."""

    tpot: float
    rate: float
    inside: bool


def rows() -> list[Row]:
    found: list[Row] = []
    with gzip.open(FILE, "rt", encoding="utf-8") as lines:
        for r in csv.DictReader(lines):
            ttft, tpot, gpus = float(r["silicon_ttft_ms"]), float(r["silicon_tpot_ms"] or 0), float(r["gpus"])
            alone = float(r["attention_dp_size"] or 1) == 1 and float(r["pp_size"] or 1) == 1
            if r["system"] not in CHIPS or ttft >= 5000 or tpot <= 0 or not alone or not 1 <= gpus <= 8:
                continue
            point = Point(int(r["isl"]), int(r["osl"]), int(float(r["concurrency"])), ttft, tpot)
            names = (
                "model_path",
                "system",
                "backend",
                "backend_version",
                "precision",
                "gpus",
                "tp_size",
                "moe_tp_size",
                "moe_ep_size",
            )
            series = tuple(r[name] for name in names)
            size = BYTES[r["precision"]]
            found.append(Row(MODELS[r["model_path"]], hardware(CHIPS[r["system"]]), int(gpus), size, series, point))
    return found


def judge(replica: Replica, point: Point) -> Judged:
    tpot, rate = closed_loop(replica, point)
    ratio = rate * point.seconds_per_request
    low, high = replica.interval
    return Judged(abs(tpot / point.tpot_ms - 1), abs(ratio - 1), low <= 1 / ratio <= high)


def with_neighbours(every: list[Row]) -> tuple[list[Judged], int]:
    """Fits judged on the fifth of their series that they have not seen; and how many points are refused."""
    series: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in every:
        series[row.series].append(row)
    judged: list[Judged] = []
    refused = 0
    rng = np.random.default_rng(0)
    for found in series.values():
        first = found[0]

        def measured(points: tuple[Point, ...], row: Row = first) -> Measured:
            return Measured(row.model.name, row.chip.name, row.gpus, row.size, "measured", "", points)

        points = dict.fromkeys(r.point for r in found)  # some are listed twice, and would be seen after all
        known = [point for point in points if not refusal(first.model, first.chip, measured(()), point)]
        refused += len(points) - len(known)
        if len({(p.prompt_tokens, p.output_tokens, p.clients) for p in known}) < LEAST:
            continue
        fold = rng.permutation(len(known)) % FOLDS
        for number in range(FOLDS):
            seen = tuple(p for p, f in zip(known, fold, strict=True) if f != number)
            try:
                replica = replica_from_points(first.model, measured(seen))
            except UsageError:  # the weights and caches do not fit as the precision's usual size would have it
                break
            judged += [judge(replica, p) for p, f in zip(known, fold, strict=True) if f == number]
    return judged, refused


def samples(every: list[Row]) -> list[Sample]:
    return [Sample(r.model.name, bare(r.model, r.chip, r.gpus, r.size), r.point) for r in every]


def without(every: list[Row]) -> list[Judged]:
    """Rooflines with overheads learned from the other families."""
    judged: list[Judged] = []
    for name in sorted({row.model.name for row in every}):
        lost = learn(samples([row for row in every if row.model.name != name]))
        mine: list[Judged] = []
        for row in every:
            if row.model.name != name:
                continue
            try:
                replica = replica_from_roofline(row.model, row.chip, row.gpus, row.size, lost)
            except UsageError:
                continue
            mine.append(judge(replica, row.point))
        tpot, rate, inside = (np.array(column) for column in zip(*mine, strict=True))
        errors = f"per token {np.median(tpot):>4.0%}, rate {np.median(rate):>4.0%}"
        print(f"{name:<16}{len(mine):>6} points, {errors}, in the interval {inside.mean():>4.0%}")
        judged += mine
    return judged


def constant(every: list[Row]) -> float:
    """Median error per token of a roofline whose one efficiency is the best in the median."""
    ratios: list[float] = []
    for row in every:
        one, point = bare(row.model, row.chip, row.gpus, row.size), row.point
        sequences = point.tpot_ms / 1000 / point.seconds_per_request * (point.output_tokens - 1)
        weights = one.always_s + one.experts_s * (1 - (1 - one.expert_share) ** sequences)
        held = sequences * (point.prompt_tokens + point.output_tokens / 2) * one.cache_s_per_token
        ratios.append(max(weights + held, sequences * one.prompt_s_per_token) / (point.tpot_ms / 1000))
    found = np.array(ratios)
    return float(np.median(np.abs(found / np.median(found) - 1)))


def summary(name: str, judged: list[Judged]) -> tuple[float, float, float]:
    tpot, rate = float(np.median([j.tpot for j in judged])), float(np.median([j.rate for j in judged]))
    inside, mean = float(np.mean([j.inside for j in judged])), float(np.mean([j.rate for j in judged]))
    errors = f"median error per token {tpot:.1%}, of the rate {rate:.1%} (mean {mean:.0%})"
    print(f"{name}: {len(judged)} points, {errors}, in the interval {inside:.0%}")
    return tpot, rate, inside


def main() -> int:
    if not FILE.is_file():
        print("skipped: ../shared/data/economics is not there")
        return 0
    every = rows()
    judged, refused = with_neighbours(every)
    near = summary("with neighbours", judged)
    far = summary("without", without(every))
    plain = constant(every)
    learned = learn(samples(every))
    drift = max(abs(a / b - 1) for a, b in zip(learned, OVERHEADS, strict=True))
    print(
        f"a constant efficiency: {plain:.0%}; {refused} points refused; learned {[f'{value:.4g}' for value in learned]}"
    )
    holds = near[0] < 0.1 and far[0] < 0.2 and min(near[2], far[2]) >= 0.85 and drift < 0.02
    names = ("per_token", "rate", "in_interval")
    figures = {
        "points": len(every),
        "with_neighbours": {name: round(value, 4) for name, value in zip(names, near, strict=True)},
        "unseen_model": {name: round(value, 4) for name, value in zip(names, far, strict=True)},
        "refused": refused,
        "overheads_drift": round(drift, 4),
    }
    reference = {"constant_efficiency_per_token": round(plain, 4)}
    ratio = round(far[0] / plain, 3)
    line = {"benchmark": "serving_points", "figures": figures, "reference": reference, "ratio": ratio, "holds": holds}
    print(json.dumps(line))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
