"""What it costs to encrypt bodies at rest: `python -m benchmarks.encryption [LOG]`, by default on the shared traffic.

The same calls are written, sealed and read with and without a key, in the same run; rates are per second of CPU. Exits
1 where encrypting takes more than three times the CPU of not doing so over the whole way (write, seal, read).
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from freehold.ledger import Ledger
from freehold.ledger.importing import import_file
from freehold.ledger.writer import LedgerWriter
from freehold.settings import LedgerSettings
from freehold.vocabulary import Call

_MOST = 3.0
_CALLS = 12_000


def cpu_s(work: Callable[[], Any]) -> float:
    """CPU seconds of a piece of work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def written(home: Path, calls: list[Call], settings: LedgerSettings) -> None:
    """Record calls as a gateway does, as fast as they are taken."""
    with LedgerWriter(home, settings) as writer:
        for n, call in enumerate(calls):
            writer.offer(call)
            if n % 1000 == 999:
                writer.flush(60)


def way(home: Path, calls: list[Call], settings: LedgerSettings) -> dict[str, float]:
    """Calls a second of CPU for each part of the way, and the size of the segment in bytes."""
    ledger = Ledger(home, settings)
    seconds = {
        "write": cpu_s(lambda: written(home, calls, settings)),
        "read_hot": cpu_s(lambda: sum(1 for _ in ledger.calls())),
        "seal": cpu_s(ledger.seal),
        "read_sealed": cpu_s(lambda: sum(1 for _ in ledger.calls())),
    }
    size = sum(segment.size for segment in ledger._manifest.listing().segments)  # noqa: SLF001
    return {
        **{name: len(calls) / took for name, took in seconds.items()},
        "bytes": size,
        "cpu_s": sum(seconds.values()),
    }


def main(log: Path) -> None:
    """Measure on one log."""
    os.environ["LEDGER_KEY"] = os.urandom(32).hex()
    encrypted = LedgerSettings(encryption_key_env="LEDGER_KEY")
    with tempfile.TemporaryDirectory() as folder:
        source = Ledger(Path(folder) / "source", LedgerSettings())
        import_file(source, log)
        calls = list(itertools.islice(source.calls(), _CALLS))
        way(Path(folder) / "warm", calls[:500], encrypted)
        plain = way(Path(folder) / "plain", calls, LedgerSettings())
        hidden = way(Path(folder) / "hidden", calls, encrypted)
    raw = sum(len(call.request) + len(call.response) for call in calls)
    print(f"{len(calls):,} calls, {raw / 1e6:.1f} MB of bodies; calls a second of CPU:")
    for name in ("write", "read_hot", "seal", "read_sealed"):
        print(
            f"  {name:12} {plain[name]:10,.0f} plain {hidden[name]:10,.0f} encrypted {plain[name] / hidden[name]:6.2f}x"
        )
    print(f"  {'segment':12} {plain['bytes'] / 1e6:10.2f} MB    {hidden['bytes'] / 1e6:10.2f} MB")
    ratio = hidden["cpu_s"] / plain["cpu_s"]
    report = {"benchmark": "encryption", "plain": plain, "encrypted": hidden, "ratio": round(ratio, 3)}
    print(json.dumps({**report, "reference": "the same calls without a key", "holds": ratio <= _MOST}))
    sys.exit(ratio > _MOST)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        from benchmarks._traffic import build

        with tempfile.TemporaryDirectory() as traffic:
            main(build(Path(traffic)) / "calls.jsonl")
