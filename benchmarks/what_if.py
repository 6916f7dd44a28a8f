"""How long `freehold what-if` takes, as it is typed and once it has started, and what a verdict takes.

    python -m benchmarks.what_if [--calls 2000] [--rounds 5]

Medians over the rounds on a made-up log in a new home: the pass over the task's calls, the first answer after new
traffic (that pass and two verdicts), later ones, one verdict alone, all in this process; and later answers as they are
typed, a new process for each, its interpreter's start included, with modules compiled as an installed package has them.
Answers as typed must come within a second; the first answer grows with the task. The reference is the first answer
after new traffic, typed as well.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support import homes

from freehold.economics.capacity import sizing
from freehold.services import deciding, ingest, judging, kept_sums, what_if
from freehold.services.discovering import list_tasks

MUST_S = 1.0
CHANGES = ("price=-50%", "volume=x3000", "gpu=+40%", "engineer=0.5", "coverage=0.8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = homes.home(Path(name) / "home")
        ingest.import_log(home, homes.colours_log(Path(name) / "calls.jsonl", args.calls))
        list_tasks(home)
        task = next(task.name for task in home.registry.tasks() if task.kind == "classification")
        changes = what_if.parse(CHANGES)
        question = deciding.questions(home, task_name=task)[0]
        figures = {
            "pass_s": _median(lambda: deciding.questions(home, task_name=task), args.rounds),
            "first_s": _median(lambda: (kept_sums.forget(home), what_if.suppose(home, task, changes)), args.rounds),
            "what_if_s": _median(lambda: (sizing.forget(), what_if.suppose(home, task, changes)), args.rounds),
            "verdict_s": _median(lambda: judging.judged(home, question), args.rounds),
        }
        typed = [sys.executable, "-m", "freehold", "what-if", task, *CHANGES]
        environ = {**os.environ, "FREEHOLD_HOME": str(home.path)}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)

        def command() -> None:
            subprocess.run(typed, env=environ, cwd=name, stdout=subprocess.DEVNULL, check=True)

        command()  # compiles what nobody compiled
        figures["first_as_typed_s"] = _median(lambda: (kept_sums.forget(home), command()), args.rounds)
        figures["as_typed_s"] = _median(command, args.rounds)
    holds = figures["as_typed_s"] <= MUST_S
    ratio = round(figures["as_typed_s"] / figures["first_as_typed_s"], 3)
    found = {"benchmark": "what_if", "calls": args.calls, "figures": figures, "must": MUST_S}
    print(json.dumps(found | {"reference": "the first one after new traffic", "ratio": ratio, "holds": holds}))
    sys.exit(0 if holds else 1)


def _median(work: Callable[[], object], rounds: int) -> float:
    def once() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return round(statistics.median(once() for _ in range(rounds)), 4)


if __name__ == "__main__":
    main()
