"""The shared traffic, built into a temporary folder and walked into a home of its own."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

from freehold.services import discovering, ingest
from freehold.services.home import Home
from freehold.settings import Loaded, Settings
from freehold.vocabulary import Task

SHARED = Path(__file__).resolve().parents[2] / "shared"


def build(out: Path, *options: str) -> Path:
    """Build the traffic with the shared script; exits with a reason where there is none."""
    script = SHARED / "traffic" / "build.py"
    if not script.is_file():
        sys.exit("skipped: ../shared/traffic is not there")
    subprocess.run([sys.executable, str(script), str(out), *options], check=True, stdout=subprocess.DEVNULL)
    return out


def truth(out: Path, split: str) -> dict[str, tuple[str, str]]:
    """Task and gold answer by call id, for scoring only."""
    with (out / "truth.csv").open(encoding="utf-8") as file:
        return {row["id"]: (row["task"], row["gold"]) for row in csv.DictReader(file) if row["split"] == split}


def home_of(folder: Path, log: Path, settings: Settings | None = None) -> Home:
    """A home with the log imported and its tasks found."""
    home = Home(Loaded(settings or Settings(), folder, {}))
    ingest.import_log(home, log)
    discovering.find_tasks(home)
    return home


def true_names(home: Home, out: Path) -> dict[str, Task]:
    """The found tasks by the name that the traffic's truth gives most of their calls."""
    right = truth(out, "train")
    counts: dict[str, dict[str, int]] = {}
    for call, match in home.recognised():
        if match is not None and call.id in right:
            row = counts.setdefault(match.task_id, {})
            row[right[call.id][0]] = row.get(right[call.id][0], 0) + 1
    named: dict[str, Task] = {}
    for task in sorted(home.registry.tasks(), key=lambda t: t.n_calls):
        if task.id in counts:
            named[max(counts[task.id], key=lambda name: counts[task.id][name])] = task
    return named


def later_home(home: Home, out: Path) -> Home:
    """A home of its own for the later log, so that nothing of it can flow back."""
    after = Home(Loaded(home.settings, home.path.with_name("later"), {}))
    ingest.import_log(after, out / "later.jsonl")
    return after


def gold_of(home: Home) -> dict[str, str]:
    """The right answers of the later calls, for scoring only."""
    out = home.path.with_name("traffic")
    return {ident: gold for ident, (_, gold) in truth(out, "test").items()}
