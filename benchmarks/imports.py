"""How fast logs come in: `python -m benchmarks.imports [RECORDS]`, by default 20,000 records of 2 kB in every format.

Exits 1 where the slowest format manages fewer than 20,000 records a second. The reference is reading the lines of the
same log and decoding their JSON, and nothing else; where a format is no JSONL, the lines of its records as JSONL. Every
format is imported in a process of its own, and once more with ten times the records to see whether memory grows. On a
machine that others use only the figures per second of CPU say something; `holds` is judged by them, and by wall time
where the machine was idle (`--wall`).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from freehold.ledger import Ledger
from freehold.ledger.importing import import_logs

from ._import_logs import LINES_A_CALL, LOGS

LEAST_PER_S = 20_000
def imported(name: str, count: int) -> dict[str, Any]:
    """Import one log in this process; seconds and peak memory."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        paths = LOGS[name](folder, count)
        size = sum(path.stat().st_size for path in paths)
        reference_s = _decoded(paths)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, cpu = time.perf_counter(), _cpu_s()
        done = import_logs(Ledger(folder / "home"), paths)
        wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
        assert (done.added, done.rejected) == (count, 0), done
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            "wall_s": wall, "cpu_s": cpu, "bytes": size, "peak_mb": peak / 1024, "before_mb": before / 1024,
            "reference_s": reference_s,
        }  # fmt: skip


def _cpu_s() -> float:
    """CPU seconds of this process and of those that it has started and that are gone."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _decoded(paths: list[Path]) -> float:
    """CPU seconds for reading lines and decoding them; of a JSON array, whose elements are several lines, its text."""
    decode = msgspec.json.Decoder().decode
    began = time.process_time()
    for path in paths:
        with path.open("rb") as file:
            plain = path.suffix == ".csv" or file.read(1) == b"["
            file.seek(0)
            for line in file:
                if not plain:
                    decode(line)
    return time.process_time() - began


def child(name: str, count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.imports", str(count), "--only", name]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(run.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=int, nargs="?", default=20_000)
    parser.add_argument("--only", default="", help="one log, in this process")
    parser.add_argument("--wall", action="store_true", help="judge by wall time: the machine is idle")
    args = parser.parse_args()
    if args.only:
        print(json.dumps(imported(args.only, args.records)))
        return
    figures: dict[str, Any] = {}
    reference_s = child("openai pairs", args.records)["reference_s"]
    for name in LOGS:
        one, ten = child(name, args.records), child(name, 10 * args.records)
        n = 10 * args.records
        row = {
            "per_wall_s": round(n / ten["wall_s"]),
            "per_cpu_s": round(n / ten["cpu_s"]),
            "ratio": round(ten["cpu_s"] / 10 / reference_s, 1),
            "bytes": round(ten["bytes"] / n),
            "peak_mb": round(ten["peak_mb"]),
            "peak_mb_tenth": round(one["peak_mb"]),
        }
        figures[name] = row
        print(
            f"{name:32} {row['per_wall_s']:8,}/s wall {row['per_cpu_s']:8,}/s CPU {row['ratio']:5.1f}x decoding,"
            f" {row['bytes']:,} B each, peak {row['peak_mb']} MB (a tenth of it: {row['peak_mb_tenth']} MB)",
            flush=True,
        )
    slowest = min(row["per_wall_s" if args.wall else "per_cpu_s"] for row in figures.values())
    grows = max(row["peak_mb"] - row["peak_mb_tenth"] for row in figures.values())
    holds = slowest >= LEAST_PER_S
    print(
        json.dumps({
            "benchmark": "imports", "records": args.records, "figures": figures, "slowest_per_s": slowest,
            "most_growth_mb": grows, "reference": "reading lines and decoding their JSON, openai pairs",
            "reference_per_cpu_s": round(args.records / reference_s),
            "ratio": max(row["ratio"] for row in figures.values()), "holds": holds,
        })
    )  # fmt: skip
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
