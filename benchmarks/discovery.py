"""Discovery without tags, judged by the truth: plain and hard style of the shared traffic.

    python benchmarks/discovery.py            builds the traffic into a temporary folder and prints the figures

Reference: grouping calls by their exact system prompt, which is what one would do without discovery. Ratio: our
adjusted Rand index over the reference's, on the hard style.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from sklearn.metrics import adjusted_rand_score

from freehold.tasks import contracts
from freehold.tasks.discovery import Discovery, discover
from freehold.tasks.matching import TaskMatcher
from freehold.vocabulary import Call
from freehold.wire.openai import answer_text, decode_request

BUILDER = Path(__file__).resolve().parents[2] / "shared" / "traffic" / "build.py"
NEEDED = {"plain": 0.99, "hard": 0.95}
SECONDS = 60.0


class Line(msgspec.Struct):
    """One line of a log, as far as discovery needs it."""

    id: str
    started_at: str
    latency_ms: float
    request: msgspec.Raw
    response: msgspec.Raw


def main() -> int:
    if not BUILDER.exists():
        print("the shared traffic is absent: nothing measured", file=sys.stderr)
        return 4
    with tempfile.TemporaryDirectory() as folder:
        found = {style: measured(style, Path(folder) / style) for style in NEEDED}
    (plain, plain_inputs), (hard, hard_inputs) = found["plain"], found["hard"]
    same = Counter(plain_inputs[c] == hard_inputs.get(c) for c in plain_inputs)
    hard["inputs_equal_to_plain"] = round(same[True] / same.total(), 5)
    holds = (
        all(
            found[style][0]["ari"] >= needed and found[style][0]["seconds"] <= SECONDS
            for style, needed in NEEDED.items()
        )
        and plain["tasks_above_1_percent"] == 5
        and plain["labels"] == 77
        and hard["inputs_equal_to_plain"] >= 0.98
    )
    ratio = hard["ari"] / max(hard["reference_ari"], 1e-9)
    reference = {"by": "exact system prompt", "plain": plain["reference_ari"], "hard": hard["reference_ari"]}
    figures = {"plain": plain, "hard": hard}
    print(
        json.dumps(
            {
                "benchmark": "discovery",
                "figures": figures,
                "reference": reference,
                "ratio": round(min(ratio, 1e6), 2),
                "holds": holds,
            }
        )
    )
    return 0 if holds else 1


def measured(style: str, folder: Path) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    command = [sys.executable, str(BUILDER), str(folder), "--style", style]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    calls = loaded(folder / "calls.jsonl")
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        truth = {row["id"]: row["task"] for row in csv.DictReader(file) if row["split"] == "train"}
    begin = time.perf_counter()
    found = discover(calls)
    seconds = time.perf_counter() - begin
    said = {c.id: found.assignments[c.id].task_id if c.id in found.assignments else "none" for c in calls}
    right = [truth[c.id] for c in calls]
    pairs: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for c in calls:
        pairs[said[c.id]][truth[c.id]] += 1
    figures = {
        "calls": len(calls),
        "ari": round(adjusted_rand_score(right, [said[c.id] for c in calls]), 5),
        "reference_ari": round(adjusted_rand_score(right, [system_prompt(c) for c in calls]), 5),
        "tasks_above_1_percent": sum(task.n_calls > 0.01 * len(calls) for task in found.tasks),
        "purity": round(sum(max(c.values()) for c in pairs.values()) / len(calls), 5),
        "exact_share": round(sum(m.how == "template" for m in found.assignments.values()) / len(calls), 5),
        "seconds": round(seconds, 2),
        "match_us": round(match_us(found, calls), 1),
        **contract_figures(found, calls),
    }
    print(f"{style}: {figures}")
    for task in found.tasks:
        print(f"  {task.name:28} {task.kind:20} {task.n_calls:6} calls, {len(task.templates)} templates  {task.why}")
    return figures, {c: m.inputs for c, m in found.assignments.items()}


def contract_figures(found: Discovery, calls: list[Call]) -> dict[str, Any]:
    by_task: defaultdict[str, list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
    for c in calls:
        answer = answer_text(c.response)
        match = found.assignments.get(c.id)
        if match is not None and answer is not None:
            by_task[match.task_id].append((answer, match.inputs))
    labels, breaches = 0, {}
    for task in found.tasks:
        rows = by_task[task.id]
        learned = contracts.learn([a for a, _ in rows], templates=task.templates, inputs=[i for _, i in rows])
        labels = max(labels, len(learned.labels))
        breaches[task.name] = sum(contracts.check(learned, answer) is not None for answer, _ in rows[:2000])
    return {"labels": labels, "breaches_in_2000": breaches}


def match_us(found: Discovery, calls: list[Call]) -> float:
    """Mean microseconds to match a decoded request, over 2,000 calls."""
    matcher = TaskMatcher(found.tasks)
    requests = [decode_request(c.request) for c in calls[:: max(1, len(calls) // 2000)]]
    begin = time.perf_counter()
    for request in requests:
        matcher.match(request)
    return (time.perf_counter() - begin) / len(requests) * 1e6


def system_prompt(c: Call) -> str:
    first = decode_request(c.request).messages[0]
    return first.text if first.role == "system" else ""


def loaded(path: Path) -> list[Call]:
    decode = msgspec.json.Decoder(Line).decode
    with path.open("rb") as file:
        lines = [decode(line) for line in file]
    return [
        Call(
            id=line.id,
            started_at_us=int(datetime.fromisoformat(line.started_at).timestamp() * 1e6),
            latency_ms=line.latency_ms,
            provider="openai",
            model="",
            request=bytes(line.request),
            response=bytes(line.response),
        )
        for line in lines
    ]


if __name__ == "__main__":
    sys.exit(main())
