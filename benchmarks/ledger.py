"""What the ledger costs: `python -m benchmarks.ledger [LOG]`, by default on the shared traffic.

Exits 1 where an import manages fewer than 20,000 lines a second of CPU. Prints rates per second of wall time and of
CPU time (on a busy machine only the second says something), beside a reference measured in the same run: reading the
file's lines and decoding their JSON, and nothing else.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from freehold.ledger import Ledger
from freehold.ledger.importing import import_file
from freehold.ledger.writer import LedgerWriter
from freehold.settings import LedgerSettings
from freehold.vocabulary import Call

_PACE = 20_000
_LEAST_LINES = 20_000


def measured(name: str, n: int, work: Callable[[], Any], reference_s: float = 0.0) -> float:
    """Run and print; returns CPU seconds, those of helpers among them."""
    wall, cpu = time.perf_counter(), _cpu_s()
    work()
    wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
    ratio = f"{cpu / reference_s:6.2f}x the reference" if reference_s else ""
    print(f"{name:34} {n / wall:10,.0f}/s wall {n / cpu:10,.0f}/s CPU {ratio}")
    return cpu


def _cpu_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def offered(home: Path, calls: list[Call], synchronous: str) -> dict[str, float]:
    """Offer calls in bursts of a hundred, and print what a caller waits; returns it."""
    waits: list[float] = []
    with LedgerWriter(home, LedgerSettings(synchronous=synchronous)) as writer:  # type: ignore[arg-type]
        for n, call in enumerate(calls):
            start = time.perf_counter()
            writer.mark()
            writer.offer(call)
            waits.append(time.perf_counter() - start)
            if n % 100 == 99:
                time.sleep(100 / _PACE)
        writer.flush(60)
        dropped = writer.health().dropped
    waits.sort()
    p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    print(f"mark + offer ({synchronous}): p50 {p50 * 1e6:.1f} us, p99 {p99 * 1e6:.1f} us, dropped {dropped}")
    return {"p50_us": round(p50 * 1e6, 1), "p99_us": round(p99 * 1e6, 1), "dropped": dropped}


def main(log: Path) -> None:
    """Measure everything on one log in the format "calls"."""
    lines = sum(1 for _ in log.open("rb"))

    def decode() -> None:
        decoder = msgspec.json.Decoder()
        with log.open("rb") as file:
            for line in file:
                decoder.decode(line)

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        ledger = Ledger(home)
        reference_s = measured("reference: lines and JSON only", lines, decode)
        import_s = measured("import", lines, lambda: import_file(ledger, log), reference_s)
        measured("import again (all known, hot)", lines, lambda: import_file(ledger, log), reference_s)
        measured("read, hot", lines, lambda: sum(1 for _ in ledger.calls()), reference_s)
        measured("seal", lines, ledger.seal, reference_s)
        measured("import again (all known, sealed)", lines, lambda: import_file(ledger, log), reference_s)
        measured("read, sealed", lines, lambda: sum(1 for _ in ledger.calls()), reference_s)
        measured("read, sealed, no bodies", lines, lambda: sum(1 for _ in ledger.calls(bodies=False)), reference_s)
        sealed = sum(path.stat().st_size for path in (home / "ledger/segments").iterdir())
        print(f"log {log.stat().st_size / 1e6:.1f} MB, sealed {sealed / 1e6:.1f} MB")
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
        calls = [call for call, _ in zip(ledger.calls(), range(20_000), strict=False)]
        waits = {mode: offered(home / mode, calls, mode) for mode in ("NORMAL", "FULL")}
    figures = {"import_lines_per_cpu_s": round(lines / import_s), "least": _LEAST_LINES, "offered": waits}
    holds = lines / import_s >= _LEAST_LINES
    found = {"benchmark": "ledger", "figures": figures, "reference": "CPU for lines and JSON only"}
    print(json.dumps(found | {"ratio": round(import_s / reference_s, 2), "holds": holds}))
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        from benchmarks._traffic import build

        with tempfile.TemporaryDirectory() as traffic:
            main(build(Path(traffic)) / "calls.jsonl")
