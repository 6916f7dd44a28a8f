"""Discovery on a sample of the shared traffic, in both styles; benchmarks/discovery.py measures the whole."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from sklearn.metrics import adjusted_rand_score

from freehold.tasks.discovery import discover
from freehold.vocabulary import Call

BUILDER = Path(__file__).resolve().parents[3] / "shared" / "traffic" / "build.py"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not BUILDER.exists(), reason="../shared/traffic is absent"),
]


def built(folder: Path, style: str) -> tuple[list[Call], dict[str, str]]:
    command = [sys.executable, str(BUILDER), str(folder), "--style", style, "--limit", "300"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    calls: list[Call] = []
    for line in (folder / "calls.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        at_us = int(datetime.fromisoformat(one["started_at"]).timestamp() * 1e6)
        request, response = (json.dumps(one[key]).encode() for key in ("request", "response"))
        calls.append(Call(one["id"], at_us, one["latency_ms"], "openai", "", request, response))
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        return calls, {row["id"]: row["task"] for row in csv.DictReader(file)}


@pytest.mark.parametrize(("style", "least"), [("plain", 0.99), ("hard", 0.95)])
def test_five_tasks_are_found(tmp_path: Path, style: str, least: float) -> None:
    calls, truth = built(tmp_path, style)
    found = discover(calls)
    said = [found.assignments[c.id].task_id if c.id in found.assignments else "none" for c in calls]
    assert adjusted_rand_score([truth[c.id] for c in calls], said) >= least
    assert sum(task.n_calls > 0.01 * len(calls) for task in found.tasks) == 5
