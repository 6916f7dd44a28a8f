"""Run every benchmark, one after the other; exits 1 where one misses its figure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> None:
    names = sorted(p.stem for p in Path(__file__).parent.glob("[!_]*.py"))
    missed: list[str] = []
    for name in names:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            missed.append(name)
    print(f"{len(names) - len(missed)} hold, {len(missed)} missed{': ' + ', '.join(missed) if missed else ''}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
