"""How much foreign traffic an owned classifier keeps, with its gate, without it, and with a stricter threshold.

    python -m benchmarks.out_of_scope [TRAFFIC]            develop: all on calls.jsonl
    python -m benchmarks.out_of_scope [TRAFFIC] --final    judge on later.jsonl

TRAFFIC is a folder made by ../shared/traffic/build.py; without one it is made. Exits 1 where less is caught, or more
coverage lost, than was asked for: far 90 %, near 65 % for at most 5 points. Three situations on the classification task
of it, `triage`:

far        a fifth of the judged calls is replaced by inputs of the other tasks
near       15 of the labels are absent from what the student learned from and is certified on, and present when judged;
           the prompt lists all labels, as it does in the log, and the contract takes them from there
unlisted   the same, and the prompt does not list the absent ones either: what no one has ever heard of

A foreign call that is kept counts as wrong: nothing that the student could say would be right. "caught" is the share
of foreign calls that are not kept, "cost" the points of coverage of familiar calls that the gate loses against the
certified threshold without a gate, and the last row is the stricter threshold that costs as much.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks._traffic import build
from freehold import students
from freehold.evidence.certificates import certify
from freehold.tasks import contracts
from freehold.vocabulary import Contract, Example, MessagePattern, Template

TASK = "triage"
FOREIGN_SHARE = 0.2
ABSENT_LABELS = 15
ALPHA = DELTA = 0.05
MUST = {"far": (0.90, 100.0), "near": (0.65, 5.0)}
"""Caught, at least, and points of coverage lost, at most; nothing was asked of the rest."""


class Judged(NamedTuple):
    """Answers to judged calls; foreign ones are wrong whatever was said."""

    confidence: np.ndarray
    scope: np.ndarray
    wrong: np.ndarray
    foreign: np.ndarray


def read(folder: Path, name: str) -> dict[str, list[Example]]:
    """Calls of each task in order of time: the user's last message, and the teacher's answer."""
    with (folder / "truth.csv").open(newline="") as file:
        task_of = {row["id"]: row["task"] for row in csv.DictReader(file)}
    out: dict[str, list[Example]] = {}
    with (folder / name).open() as file:
        for line in file:
            call = json.loads(line)
            asked = [m.get("content") or "" for m in call["request"]["messages"] if m["role"] == "user"]
            answer = call["response"]["choices"][0]["message"].get("content") or ""
            example = Example(call["id"], (asked[-1] if asked else "",), answer)
            out.setdefault(task_of[call["id"]], []).append(example)
    return out


def prompt(folder: Path) -> str:
    """The instructions of the task, as its first call gives them."""
    with (folder / "truth.csv").open(newline="") as file:
        of_task = {row["id"] for row in csv.DictReader(file) if row["task"] == TASK}
    with (folder / "calls.jsonl").open() as file:
        call = next(call for call in map(json.loads, file) if call["id"] in of_task)
    return next(m["content"] for m in call["request"]["messages"] if m["role"] == "system")


def agreed(learn: list[Example], text: str, unlisted: Collection[str] = ()) -> Contract:
    """The contract that the product learns from these answers and that prompt, without the lines `unlisted`."""
    listed = "\n".join(line for line in text.split("\n") if line.strip() not in unlisted)
    template = Template("0", (MessagePattern("system", (listed,)),))
    return contracts.learn([example.answer for example in learn], templates=[template])


def judge(student: students.Student, calls: Sequence[Example], foreign: np.ndarray) -> Judged:
    answers = student.answer_many([call.inputs for call in calls])
    wrong = np.array([a.text != c.answer for a, c in zip(answers, calls, strict=True)]) | foreign
    return Judged(np.array([a.confidence for a in answers]), np.array([a.scope for a in answers]), wrong, foreign)


def row(name: str, kept: np.ndarray, judged: Judged) -> tuple[float, float]:
    coverage, caught = kept[~judged.foreign].mean(), (~kept[judged.foreign]).mean()
    risk = judged.wrong[kept].mean() if kept.any() else 0.0
    print(f"  {name:28s} kept {kept.mean():6.1%}  coverage {coverage:6.1%}  caught {caught:6.1%}  risk {risk:6.2%}")
    return float(coverage), float(caught)


def compare(
    learn: list[Example],
    held: list[Example],
    calls: list[Example],
    foreign: np.ndarray,
    contract: Contract,
    seed: int,
) -> np.ndarray:
    fitted = students.fit("kernel", learn, contract, seed=seed)
    student = students.build("kernel", fitted.files)
    cal = judge(student, held, np.zeros(len(held), np.bool_))
    now = judge(student, calls, foreign)
    print(f"  agreement with the teacher on familiar calls: {(~now.wrong[~foreign]).mean():.1%} of {(~foreign).sum()}")
    bare = certify(cal.confidence, cal.wrong, alpha=ALPHA, delta=DELTA)
    gated = certify(cal.confidence, cal.wrong, cal.scope >= fitted.scope_threshold, alpha=ALPHA, delta=DELTA)
    if bare.threshold is None or gated.threshold is None:
        raise SystemExit("not certified: use more calls")
    without = row("threshold", now.confidence >= bare.threshold, now)
    kept = (now.confidence >= gated.threshold) & (now.scope >= fitted.scope_threshold)
    with_gate = row("threshold and gate", kept, now)
    familiar = np.sort(now.confidence[~now.foreign])
    strict = familiar[min(round((1 - with_gate[0]) * len(familiar)), len(familiar) - 1)]
    stricter = row("stricter, at that coverage", now.confidence >= strict, now)
    return np.array([without[0] - with_gate[0], without[1], with_gate[1], stricter[1]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traffic", type=Path, nargs="?")
    parser.add_argument("--final", action="store_true", help="judge on later.jsonl")
    parser.add_argument("--seeds", type=int, default=2, help="draws of the absent labels and of the foreign calls")
    parser.add_argument("--only", default="far,near,unlisted", help="the situations to measure")
    options = parser.parse_args()
    if options.traffic is not None:
        measure(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        options.traffic = build(Path(folder))
        measure(options)


def measure(options: argparse.Namespace) -> None:
    tasks = read(options.traffic, "calls.jsonl")
    past = tasks[TASK]
    if options.final:
        later = read(options.traffic, "later.jsonl")
        judged, others = later[TASK], [call for name, calls in sorted(later.items()) if name != TASK for call in calls]
    else:
        cut = int(0.8 * len(past))
        past, judged = past[:cut], past[cut:]
        others = [call for name, calls in sorted(tasks.items()) if name != TASK for call in calls]
    labels = sorted({call.answer for call in past})
    text = prompt(options.traffic)
    totals: dict[str, list[np.ndarray]] = {name: [] for name in options.only.split(",")}
    for seed in range(options.seeds):
        rng = np.random.default_rng(seed)
        past_order = [past[i] for i in rng.permutation(len(past))]
        cut = int(0.85 * len(past))
        learn, held = past_order[:cut], past_order[cut:]
        swapped = rng.random(len(judged)) < FOREIGN_SHARE
        drawn = [others[i] for i in rng.choice(len(others), len(judged), replace=False)]
        calls = [other if swap else call for call, other, swap in zip(judged, drawn, swapped, strict=True)]
        cases = {"far": (learn, held, calls, swapped, agreed(learn, text))}
        absent = set(rng.choice(labels, min(ABSENT_LABELS, len(labels) // 3), replace=False).tolist())
        foreign = np.array([call.answer in absent for call in judged])
        known = [[call for call in part if call.answer not in absent] for part in (learn, held)]
        for name, unlisted in (("near", ()), ("unlisted", absent)):
            cases[name] = (known[0], known[1], judged, foreign, agreed(known[0], text, unlisted))
        for name, parts in totals.items():
            print(f"{name}, draw {seed}", flush=True)
            parts.append(compare(*cases[name], seed))
    report(totals)


def report(totals: dict[str, list[np.ndarray]]) -> None:
    figures: dict[str, dict[str, float]] = {}
    holds = True
    for name, parts in totals.items():
        cost, bare, gate, strict = np.mean(parts, axis=0)
        caught = {"caught": gate, "cost_points": 100 * cost, "threshold_alone": bare, "stricter_threshold": strict}
        figures[name] = {key: round(float(value), 4) for key, value in caught.items()}
        least, most = MUST.get(name, (0.0, 100.0))
        holds &= gate >= least and 100 * cost <= most
        print(
            f"{name}: caught {gate:.1%} at a cost of {100 * cost:.1f} points of coverage; "
            f"threshold alone {bare:.1%}; stricter threshold at the same coverage {strict:.1%}"
        )
    ratio = round(min(one["caught"] / max(one["stricter_threshold"], 1e-9) for one in figures.values()), 2)
    found = {"benchmark": "out_of_scope", "figures": figures, "reference": "caught by a threshold that costs as much"}
    print(json.dumps(found | {"ratio": ratio, "holds": bool(holds)}))
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
