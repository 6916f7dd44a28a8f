"""Discovery over a ledger of ten million calls: how fast, in how much memory, how right, how stable.

    python -m benchmarks.discovery_scale                    ten million calls; some 4 GB of disk, a quarter of an hour
    python -m benchmarks.discovery_scale --calls 1000000    fewer; allowed time in proportion, at least 2 minutes

The shared traffic (hard style) is sealed once; further segments repeat its calls under other ids and times, with
another number in every input, so that no two calls are alike. Then `freehold tasks` looks at the whole ledger, knowing
nothing; then the traffic of the following weeks comes in, with another 2,000 calls of two tasks that nobody has seen,
and it looks again. Reference: what discovery in memory does per call (`benchmarks.discovery`). Ratio: calls per second
over its.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from benchmarks.discovery import BUILDER, loaded
from freehold.ledger import Ledger
from freehold.ledger._layout import Layout
from freehold.ledger._manifest import Manifest, SegmentEntry
from freehold.services import discovering
from freehold.services.home import Home
from freehold.settings import Loaded, Settings
from freehold.tasks.discovery import discover
from freehold.tasks.stability import rand_index_of
from freehold.vocabulary import Call

ASKED_S = 15 * 60.0
ASKED_CALLS = 10_000_000
FEWEST_S = 120.0
MOST_MB = 2000
LEAST_ARI = 0.99
NUMBER = "#@@@@@@@"
DAY_US = 86_400_000_000
NEW = (
    ("haiku", "Write a haiku about the thing that the visitor names, and nothing else.", "leaf in the wind"),
    ("units", "Convert the measure that the engineer gives into SI units and say the number alone.", "12.5"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=ASKED_CALLS)
    args = parser.parse_args()
    if not BUILDER.exists():
        print("the shared traffic is absent: nothing measured", file=sys.stderr)
        return 4
    with tempfile.TemporaryDirectory(prefix="freehold-discovery-") as folder:
        home = Path(folder) / "home"
        began = time.perf_counter()
        truth, reference = generate(Path(folder), home, args.calls)
        size = sum(path.stat().st_size for path in (home / "ledger").rglob("*") if path.is_file())
        print(f"{args.calls:,} calls written in {time.perf_counter() - began:.0f} s, {size / 1e9:.2f} GB", flush=True)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
            first = apart.submit(looked, home).result()
        judged(home, truth, first)
        print(f"first look: {first}", flush=True)
        before = named(home)
        later = incoming(Path(folder))
        Ledger(home).append(later)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
            second = apart.submit(looked, home).result()
        after = named(home)
        kept = sum(after.get(task_id) == name for task_id, name in before.items())
        second |= {
            "new_calls": len(later),
            "ids_and_names_kept": kept / len(before),
            "new_tasks": len(after) - len(before),
        }
        print(f"with new traffic: {second}", flush=True)
    allowed = max(FEWEST_S, ASKED_S * args.calls / ASKED_CALLS)
    holds = (
        first["seconds"] <= allowed
        and max(first["peak_mb"], second["peak_mb"]) <= MOST_MB
        and first["ari"] >= LEAST_ARI
        and (first["stability"] or 0.0) >= 0.95
        and kept == len(before)
        and second["new_tasks"] == len(NEW)
    )
    figures = {"calls": args.calls, "allowed_seconds": allowed, "first": first, "later": second}
    per_s = round(first["calls_per_s"] / reference, 2)
    document = {"benchmark": "discovery_scale", "figures": figures, "reference": {"calls_per_s": round(reference)}}
    print(json.dumps({**document, "ratio": per_s, "holds": holds}))
    return 0 if holds else 1


def generate(folder: Path, home: Path, calls: int) -> tuple[dict[str, str], float]:
    """Write the ledger; returns the right task by id (before copying), and the reference's calls per second."""
    command = [sys.executable, str(BUILDER), str(folder / "traffic"), "--style", "hard"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    real = loaded(folder / "traffic" / "calls.jsonl")
    with (folder / "traffic" / "truth.csv").open(encoding="utf-8", newline="") as file:
        truth = {row["id"]: row["task"] for row in csv.DictReader(file)}
    began = time.perf_counter()
    found = discover(real)
    reference = len(real) / (time.perf_counter() - began)
    for call in real:
        match = found.assignments.get(call.id)
        call.request = numbered(call.request, match.inputs[-1] if match is not None and match.inputs else "")
    base = Ledger(folder / "base")
    base.append(real)
    base.seal()
    Ledger(home).append([])
    sources = sorted(str(path) for path in (folder / "base/ledger/segments").glob("*.parquet"))
    manifest, segments = Manifest(Layout.of(home)), home / "ledger/segments"
    left, copy = calls, 0
    with duckdb.connect(config={"threads": 2, "memory_limit": "1500MB"}) as engine:
        while left > 0:
            for source in sources:
                entry = copied(engine, source, segments, copy, left)
                if entry is not None:
                    assert manifest.sealed(entry, [])
                    left -= entry.rows
            copy += 1
    return truth, reference


def numbered(request: bytes, text: str) -> bytes:
    """The request with a place for a number in its input, where that stands in it once."""
    inside = json.dumps(text)[1:-1].encode()
    plain = json.dumps(text, ensure_ascii=False)[1:-1].encode()
    for encoded in (inside, plain):
        if encoded and request.count(encoded) == 1:
            return request.replace(encoded, encoded + f" {NUMBER}".encode())
    return request


def copied(engine: duckdb.DuckDBPyConnection, source: str, folder: Path, copy: int, most: int) -> SegmentEntry | None:
    """One more segment like `source`, under other ids, times and numbers."""
    if most <= 0:
        return None
    name = f"{copy:06d}-{secrets.token_hex(6)}.parquet"
    changed = (
        f"id || '-{copy}' AS id, started_at_us + {copy} * {DAY_US} AS started_at_us,"
        f" encode(replace(decode(request), '{NUMBER}', '#{copy:07d}')) AS request"
    )
    engine.execute(
        f"COPY (SELECT * REPLACE ({changed}) FROM read_parquet('{source}') LIMIT {most}) TO '{folder / name}'"
        " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 4096)"
    )
    sql = "SELECT min(started_at_us), max(started_at_us), count(*) FROM read_parquet(?)"
    first, last, rows = engine.execute(sql, [str(folder / name)]).fetchone() or (0, 0, 0)
    return SegmentEntry(name, rows, first, last, (folder / name).stat().st_size)


def opened(home: Path) -> Home:
    return Home(Loaded(Settings(), home, {}))


def looked(path: Path) -> dict[str, Any]:
    """What `freehold tasks` does, with its time and memory."""
    began = time.perf_counter()
    with opened(path) as home:
        steps: list[tuple[str, float]] = []
        listing = discovering.list_tasks(
            home,
            say=lambda now: steps.append((now.partition(":")[0].strip("0123456789, "), time.perf_counter() - began)),
        )
        seconds = time.perf_counter() - began
        started = time.perf_counter()
        discovering.list_tasks(home)
        again = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    one_worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    cpu = sum(
        resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    stable = listing.stability
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "calls_per_s": round(listing.calls / seconds),
        "listed_again_s": round(again, 2),
        "peak_mb": round(peak + 2 * one_worker),
        "tasks": len(listing.tasks),
        "unrecognised": listing.unrecognised,
        "stability": stable.ari if stable is not None else None,
        "steps_began_s": {what: round(at) for what, at in reversed(steps)},
    }


def judged(path: Path, truth: dict[str, str], figures: dict[str, Any]) -> None:
    """Compare every call's kept mark with the truth."""
    pairs: Counter[tuple[str, str]] = Counter()
    with opened(path) as home, duckdb.connect() as engine:
        owner = {template.id: task.id for task in home.registry.tasks() for template in task.templates}
        for segment in Manifest(Layout.of(path)).listing().segments:
            sql = (
                "SELECT split_part(s.id, '-', 1), m.template, m.task, count(*)"
                " FROM read_parquet(?, file_row_number = true) s JOIN read_parquet(?) m ON m.place = s.file_row_number"
                " GROUP BY ALL"
            )
            paths = [str(path / "ledger" / kind / segment.name) for kind in ("segments", "recognised")]
            for call_id, template, task, n in engine.execute(sql, paths).fetchall():
                pairs[truth[call_id], owner.get(template, task)] += n
    figures["ari"] = round(rand_index_of(pairs), 5)


def named(path: Path) -> dict[str, str]:
    with opened(path) as home:
        return {task.id: task.name for task in home.registry.tasks()}


def incoming(folder: Path) -> list[Call]:
    """What comes in later: the traffic's own following weeks, and tasks that nobody has seen."""
    calls = loaded(folder / "traffic" / "later.jsonl")
    for i, call in enumerate(calls):
        call.id = f"later-{call.id}"
        if i < 2000:
            key, prompt, answer = NEW[i % len(NEW)]
            call.id = f"{key}-{i}"
            asked = {
                "model": "m",
                "messages": [{"role": "system", "content": prompt}, {"role": "user", "content": f"x {i}"}],
            }
            given = {
                "choices": [{"message": {"role": "assistant", "content": f"{answer} {i}"}, "finish_reason": "stop"}]
            }
            call.request, call.response = msgspec.json.encode(asked), msgspec.json.encode(given)
    return list(islice(calls, 12_000))


if __name__ == "__main__":
    sys.exit(main())
