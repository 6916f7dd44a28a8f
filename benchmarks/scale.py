"""What a ledger of many calls answers, and how fast: `python -m benchmarks.scale [--calls 100000000]`.

Writes narrow calls (no bodies; bodies are never read by what is measured) as day-sized segments of the last three
months, listed by the real manifest, with a rollup for each, into a folder that `--home` may name and keep. Then, each
in a process of its own: the task, day and model report from rollups with the page cache dropped; the same by DuckDB
over the same Parquet (the reference) and by `Ledger.query`; and what a live dashboard asks, again and again, with
calls arriving. Needs some 25 bytes of disk per call, which is checked first.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

from freehold.ledger import Ledger
from freehold.ledger._layout import Layout
from freehold.ledger._manifest import Manifest, SegmentEntry
from freehold.ledger._rows import COLUMNS
from freehold.ledger.writer import LedgerWriter
from freehold.vocabulary import COUNTS, Call, Usage

DAYS, START_US, DAY_US = 90, 1_780_012_800_000_000 // 86_400_000_000 * 86_400_000_000, 86_400_000_000
DISK_PER_CALL = 60
COLD_S, LIVE_MS, MEMORY_MB = 5.0, 100.0, 2000.0
LIVE = 25

# Twelve tasks; each belongs to a team, asks one of two models, and now and then fails or is called without its name.
SHAPE = """
SELECT i * {day} // {rows} AS started_at_us,
    printf('%012x', i) AS id,
    120.0 + (h % 100000)::DOUBLE / 40 AS latency_ms,
    CASE WHEN t % 3 = 0 THEN 'anthropic' ELSE 'openai' END AS provider,
    CASE WHEN t % 3 = 0 THEN 'claude-sonnet-4-5' WHEN h % 10 < 7 THEN 'gpt-5-mini' ELSE 'gpt-5' END AS model,
    CASE WHEN h % 211 = 0 THEN 'error' WHEN h % 307 = 0 THEN 'cancelled' ELSE 'ok' END AS outcome,
    CASE WHEN h % 211 = 0 THEN 529 ELSE 200 END::INTEGER AS status,
    'rented' AS owner,
    CASE WHEN h % 211 <> 0 THEN 200 + (h % 3000)::BIGINT END AS input_tokens,
    CASE WHEN h % 211 <> 0 THEN CASE WHEN h % 5 = 0 THEN 1024 ELSE 0 END::BIGINT END AS cache_read_tokens,
    CASE WHEN h % 211 <> 0 THEN 0::BIGINT END AS cache_write_tokens,
    CASE WHEN h % 211 <> 0 THEN 10 + (h % 400)::BIGINT END AS output_tokens,
    CASE WHEN h % 211 <> 0 THEN 0::BIGINT END AS reasoning_tokens,
    CASE WHEN h % 211 <> 0 THEN false END AS usage_estimated,
    CASE WHEN t % 2 = 0 THEN 80.0 + (h % 30000)::DOUBLE / 100 END AS ttft_ms,
    t % 2 = 0 AS streamed,
    CASE WHEN t % 3 = 0 THEN 'anthropic.messages' ELSE 'openai.chat' END AS dialect,
    CASE WHEN t < 4 THEN printf('task-%d', t) ELSE '' END AS task,
    CASE WHEN t < 11 THEN printf('template-%d', t) ELSE '' END AS template,
    NULL::VARCHAR AS gold, 'gateway' AS source,
    CASE WHEN h % 211 = 0 THEN 'overloaded' ELSE '' END AS error,
    printf('{{"team":"team-%d","feature":"feature-%d","end_user":"user-%d","session":"s%d"}}',
        t % 5, t, (h // 7) % 40000, i // 6) AS tags,
    '[]' AS legs,
    printf('key-%d', t % 7) AS key, '' AS reason
FROM (SELECT i, hash(i) AS h, CASE WHEN hash(i) % 100 < 40 THEN 0 WHEN hash(i) % 100 < 60
      THEN 1 ELSE (hash(i) // 1000 % 12)::INTEGER END AS t FROM range({rows}) r(i))
"""
SHIFT = "started_at_us + {start} AS started_at_us, 'call_' || '{day}' || id AS id"
"""Every day has the calls of the first; only their times and ids are its own."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000_000)
    parser.add_argument("--home", type=Path, help="kept, and used again where it holds calls")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="freehold-scale-") as folder:
        home: Path = args.home or Path(folder)
        generate(home, args.calls)
        sys.exit(0 if measure(home, args.calls) else 1)


def generate(home: Path, calls: int) -> None:
    """Write what is missing of the segments and their rollups."""
    manifest, folder = Manifest(Layout.of(home)), home / "ledger/segments"
    manifest.create()
    free = shutil.disk_usage(folder).free
    if free < calls * DISK_PER_CALL:
        sys.exit(f"{calls * DISK_PER_CALL / 1e9:.0f} GB of disk are needed, {free / 1e9:.0f} GB are free at {folder}")
    there = len(manifest.listing().segments)
    began, rows = time.perf_counter(), calls // DAYS
    with duckdb.connect(config={"threads": 2, "memory_limit": "1500MB"}) as engine:
        if there < DAYS:
            pattern = folder.parent / "day.parquet"
            shape = SHAPE.format(day=DAY_US, rows=rows + calls % DAYS)
            zeros = [f"0::BIGINT AS {n}" for n, _, _ in COLUMNS if n in COUNTS and n not in shape]
            engine.execute(f"COPY (SELECT *, {', '.join(zeros)}, '' AS service_tier FROM ({shape})) TO '{pattern}'")
            for day in range(there, DAYS):
                entry = one_day(engine, pattern, folder, day, rows + (calls % DAYS if day == 0 else 0))
                assert manifest.sealed(entry, [])
            pattern.unlink()
    written = time.perf_counter() - began
    began = time.perf_counter()
    Ledger(home).rollup("calls")
    size = sum(path.stat().st_size for path in (home / "ledger").rglob("*") if path.is_file())
    rolled = sum(path.stat().st_size for path in (home / "ledger/rollups").rglob("*") if path.is_file())
    print(f"written in {written:.0f} s, rolled up in {time.perf_counter() - began:.0f} s;"
          f" {size / 1e9:.2f} GB, of them rollups {rolled / 1e6:.0f} MB", flush=True)  # fmt: skip


def one_day(engine: duckdb.DuckDBPyConnection, pattern: Path, folder: Path, day: int, rows: int) -> SegmentEntry:
    """Write the segment of a day."""
    start = START_US + day * DAY_US
    name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(start // 1_000_000))}-{secrets.token_hex(6)}.parquet"
    shifted = SHIFT.format(start=start, day=f"{day:02d}")
    engine.execute(
        f"COPY (SELECT * REPLACE ({shifted}), ''::BLOB AS request, ''::BLOB AS response"
        f" FROM read_parquet('{pattern}') LIMIT {rows}) TO '{folder / name}'"
        " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536)"
    )
    sql = "SELECT min(started_at_us), max(started_at_us), count(*) FROM read_parquet(?)"
    first, last, count = engine.execute(sql, [str(folder / name)]).fetchone() or (0, 0, 0)
    return SegmentEntry(name, count, first, last, (folder / name).stat().st_size)


def measure(home: Path, calls: int) -> bool:
    """Each figure in a process of its own; whether all that was asked holds."""
    kept = Ledger(home).count()  # a home that is used again holds the calls of an earlier dashboard
    figures = {work.__name__: _apart(work, home) for work in (report, reference, queried, dashboard)}
    for name, one in figures.items():
        print(f"{name:10} {one}", flush=True)
    totals = [figures[name]["calls"] for name in ("report", "queried", "reference")]
    holds = (
        totals == [kept, kept, calls]
        and figures["report"]["cold_s"] <= COLD_S
        and figures["dashboard"]["p95_ms"] <= LIVE_MS
        and max(one["peak_mb"] for one in figures.values()) <= MEMORY_MB
    )
    reference_s = figures.pop("reference")
    print(
        json.dumps(
            {
                "benchmark": "scale",
                "figures": figures,
                "reference": {
                    "duckdb_over_parquet": reference_s,
                    "must": {"cold_s": COLD_S, "live_ms": LIVE_MS, "peak_mb": MEMORY_MB},
                },
                "ratio": round(figures["report"]["cold_s"] / reference_s["cold_s"], 4),
                "holds": holds,
            }
        )
    )
    return holds


def report(home: Path) -> dict[str, Any]:
    """Calls, failures and tokens by task, template, day and model, with a new process and no page in the cache."""
    by = ("day", "task", "template", "model")
    return _timed(home, lambda: [(row[0], row[4]) for row in Ledger(home).rollup("calls", by).rows])


def reference(home: Path) -> dict[str, Any]:
    """The same by plain DuckDB over the same segments."""
    sql = (
        "SELECT date_trunc('day', make_timestamp(started_at_us)) AS day, count(*), sum(input_tokens),"
        " sum(output_tokens), task, template, model FROM read_parquet(?) GROUP BY ALL"
    )
    paths = [str(path) for path in (home / "ledger/segments").glob("*.parquet")]

    def work() -> list[Any]:
        with duckdb.connect(config={"threads": 2}) as engine:
            engine.execute("SET enable_progress_bar = false")
            return engine.execute(sql, [paths]).fetchall()

    return _timed(home, work)


def queried(home: Path) -> dict[str, Any]:
    """The same by SQL over the view `calls`."""
    sql = (
        "SELECT date_trunc('day', started_at) AS day, count(*), sum(input_tokens), sum(output_tokens), task, template,"
        " model FROM calls GROUP BY ALL"
    )
    return _timed(home, lambda: list(Ledger(home).query(sql).rows))


def dashboard(home: Path) -> dict[str, Any]:
    """What a page that refreshes asks, calls arriving between: the whole by task and day, the last day by hour."""
    ledger, waits = Ledger(home), list[float]()
    end = START_US + DAYS * DAY_US
    with LedgerWriter(home) as writer:
        for n in range(LIVE):
            for k in range(200):
                writer.offer(_call(n * 200 + k, end))
            writer.flush()
            began = time.perf_counter()
            ledger.rollup("calls", ("day", "task", "template"))
            middle = time.perf_counter()
            ledger.rollup("latency", ("hour", "model"), since_us=end - DAY_US)
            ended = time.perf_counter()
            if n:  # the first one opens every file: a page that was not yet open waits for it once
                waits += [middle - began, ended - middle]
            else:
                first = ended - began
    waits.sort()
    return {
        "first_ms": round(first * 1e3, 1),
        "p50_ms": round(waits[len(waits) // 2] * 1e3, 1),
        "p95_ms": round(waits[len(waits) * 95 // 100] * 1e3, 1),
        "peak_mb": _peak_mb(),
    }


def _call(n: int, end_us: int) -> Call:
    return Call(
        id=f"live-{secrets.token_hex(8)}",
        started_at_us=end_us - 1000 + n % 1000,
        latency_ms=200.0,
        provider="openai",
        model="gpt-5",
        request=b"{}",
        response=b"{}",
        usage=Usage(100, output_tokens=10),
        tags={"team": "team-1"},
        task=f"task-{n % 4}",
    )


def _timed(home: Path, work: Callable[[], list[Any]]) -> dict[str, Any]:
    dropped = _drop_cache(home)
    began, cpu = time.perf_counter(), time.process_time()
    rows = work()
    return {
        "cold_s": round(time.perf_counter() - began, 3),
        "cpu_s": round(time.process_time() - cpu, 3),
        "rows": len(rows),
        "calls": sum(row[1] for row in rows),
        "cache_dropped": dropped,
        "peak_mb": _peak_mb(),
    }


def _drop_cache(home: Path) -> bool:
    """Have the kernel forget every page of the ledger; where it keeps some, the figure is not quite cold."""
    if not hasattr(os, "posix_fadvise"):
        return False
    for path in (home / "ledger").rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True


def _peak_mb() -> float:
    """The most memory that this process ever had; the kernel's other account begins with that of its parent."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    return round(int(found[1]) / 1024, 0) if found else 0.0


def _apart(work: Callable[[Path], dict[str, Any]], home: Path) -> dict[str, Any]:
    with closing(multiprocessing.get_context("spawn").Pool(1)) as pool:
        return pool.apply(work, (home,))


if __name__ == "__main__":
    main()
