"""How fast logs come in: `python -m benchmarks.imports [RECORDS]`, by default 200,000 calls in every format.

Lines of about 2 kB (of a table: rows, of an array: elements, of OTLP: spans) per second of wall time, on the cores that
this process may use. Exits 1 where a format manages fewer than 20,000. Every format is imported in a process of its
own, and once with a tenth of the calls to see whether memory grows. Where other processes took more than a twentieth of
a core meanwhile, a format is measured again, three times at most, and the fastest counts; what the others took is
printed beside it. The reference is reading the lines of the same log and decoding their JSON, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
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
QUIET_CORES = 0.05


def imported(name: str, count: int) -> dict[str, Any]:
    """Import one log in this process and its helpers; seconds and peak memory."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        paths = LOGS[name](folder, count)
        size = sum(path.stat().st_size for path in paths)
        reference_s = _decoded(paths)
        wall, cpu, busy = time.perf_counter(), _cpu_s(), _busy_s()
        done = import_logs(Ledger(folder / "home"), paths)
        wall, cpu, busy = time.perf_counter() - wall, _cpu_s() - cpu, _busy_s() - busy
        assert (done.added, done.rejected) == (count, 0), done
        peaks = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        peak_mb, helper_mb = peaks
        return {
            "wall_s": wall, "cpu_s": cpu, "others_cores": max(0.0, busy - cpu) / wall, "bytes": size,
            "peak_mb": peak_mb, "helper_mb": helper_mb, "reference_s": reference_s,
        }  # fmt: skip


def _busy_s() -> float:
    """Seconds that the machine's cores have been busy, whoever with; 0 where nobody says."""
    try:
        times = [int(one) for one in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return 0.0
    return (sum(times) - times[3] - times[4]) / os.sysconf("SC_CLK_TCK")


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


def measured(name: str, count: int) -> dict[str, Any]:
    """The fastest of up to three imports; one where nobody else was at work."""
    best: dict[str, Any] = {}
    for _ in range(3):
        one = child(name, count)
        if not best or one["wall_s"] < best["wall_s"]:
            best = one
        if one["others_cores"] < QUIET_CORES:
            break
    return best


def row(name: str, count: int) -> dict[str, Any]:
    """The figures of a format, printed as they come."""
    small, whole = child(name, count // 10), measured(name, count)
    lines = count * LINES_A_CALL.get(name, 1)
    found = {
        "lines_per_s": round(lines / whole["wall_s"]),
        "cpu_us_a_line": round(whole["cpu_s"] / lines * 1e6, 1),
        "ratio": round(whole["cpu_s"] / whole["reference_s"], 1),
        "others_cores": round(whole["others_cores"], 2),
        "bytes_a_line": round(whole["bytes"] / lines),
        "peak_mb": round(whole["peak_mb"]),
        "peak_mb_tenth": round(small["peak_mb"]),
        "helper_mb": round(whole["helper_mb"]),
    }
    found["holds"] = found["lines_per_s"] >= LEAST_PER_S
    print(
        f"{name:30} {found['lines_per_s']:7,} lines/s {found['cpu_us_a_line']:6.1f} us of CPU a line"
        f" of {found['bytes_a_line']:,} B, peak {found['peak_mb']} MB (a tenth of it: {found['peak_mb_tenth']}) and"
        f" {found['helper_mb']} a helper, others took {found['others_cores']:.2f} cores"
        f" {'holds' if found['holds'] else 'IS MISSED'}",
        flush=True,
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=int, nargs="?", default=200_000)
    parser.add_argument("--only", default="", help="one log, in this process")
    parser.add_argument("--formats", default="", help="only those whose name begins so")
    args = parser.parse_args()
    if args.only:
        print(json.dumps(imported(args.only, args.records)))
        return
    figures = {name: row(name, args.records) for name in LOGS if name.startswith(args.formats)}
    slowest = min(figures.values(), key=lambda one: one["lines_per_s"])
    holds = all(one["holds"] for one in figures.values())
    print(
        json.dumps({
            "benchmark": "imports", "cores": len(os.sched_getaffinity(0)), "calls": args.records, "figures": figures,
            "least_lines_per_s": LEAST_PER_S, "slowest_lines_per_s": slowest["lines_per_s"],
            "most_growth_mb": max(one["peak_mb"] - one["peak_mb_tenth"] for one in figures.values()),
            "reference": "CPU for reading the lines of the same log and decoding their JSON (CSV and array: reading)",
            "ratio": max(one["ratio"] for one in figures.values()), "holds": holds,
        })
    )  # fmt: skip
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
