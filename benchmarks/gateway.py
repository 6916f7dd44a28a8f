"""What a call costs at the gateway: CPU per call with the ledger and a task's routing on, from the shared harness.

    python -m benchmarks.gateway [--seconds 6]

One gateway process, pinned to core 1; load (wrk) and the upstream (a C mock without delay) on core 0. The reference is
the harness's bare reverse proxy on raw asyncio protocols in the same run: a floor, with no timeouts, ledger or routing.
Virtual keys and budgets do not exist yet and are not in these figures. Needs gcc, wrk, taskset and two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from freehold.registry import routes
from freehold.vocabulary import MessagePattern, Route, RouteTable, Slot, Task, Template

HARNESS = Path(__file__).resolve().parents[2] / "shared" / "bench" / "gateway"
MAX_US = {"whole": 150.0, "stream": 180.0}
MOCK, GATEWAY, FLOOR = 9100, 9210, 9211


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=6)
    args = parser.parse_args()
    missing = [tool for tool in ("gcc", "wrk", "taskset") if shutil.which(tool) is None]
    if missing or not HARNESS.is_dir() or (os.cpu_count() or 1) < 2:
        print(f"skipped: needs two cores, ../shared/bench/gateway, gcc, wrk and taskset (missing: {missing})")
        return
    with tempfile.TemporaryDirectory() as name:
        figures = run(Path(name), args.seconds)
    holds = all(figures["freehold"][kind]["cpu_us"] <= limit for kind, limit in MAX_US.items())
    ratio = {kind: round(figures["freehold"][kind]["cpu_us"] / figures["floor"][kind]["cpu_us"], 2) for kind in MAX_US}
    print(
        json.dumps(
            {
                "benchmark": "gateway",
                "figures": figures["freehold"],
                "reference": {"floor": figures["floor"], "must_us": MAX_US},
                "ratio": ratio,
                "holds": holds,
            }
        )
    )
    sys.exit(0 if holds else 1)


def run(folder: Path, seconds: int) -> dict[str, dict[str, dict[str, float]]]:
    for source in ("mock", "lat"):
        subprocess.run(["gcc", "-O2", "-o", str(folder / source), str(HARNESS / f"{source}.c")], check=True)
    home = folder / "home"
    home.mkdir()
    (home / "freehold.toml").write_text(
        f'[providers.mock]\nkind = "openai"\nbase_url = "http://127.0.0.1:{MOCK}/v1"\n', encoding="utf-8"
    )
    routes.write(routes.path(home), table())
    with pinned(0, [str(folder / "mock"), str(MOCK), "0"]):
        floor_env = {"PORT": str(FLOOR), "UPSTREAM_PORT": str(MOCK)}
        with pinned(1, [sys.executable, str(HARNESS / "ref_rawproto.py")], floor_env) as floor:
            time.sleep(1)
            floor_figures = both("floor", FLOOR, floor, folder, seconds)
        command = [sys.executable, "-m", "freehold", "up", "--port", str(GATEWAY)]
        with pinned(1, command, {"FREEHOLD_HOME": str(home)}) as gateway:
            wait(GATEWAY)
            return {"floor": floor_figures, "freehold": both("freehold", GATEWAY, gateway, folder, seconds)}


def table() -> RouteTable:
    """A task that the benchmark's own request matches, so that recognising it is part of the cost."""
    pattern = MessagePattern("user", (Slot("message"),))
    template = Template("t1", (MessagePattern("system", ("You sort messages.",)), pattern))
    task = Task("task-1", "sort", "classification", (template,), 10, 1.0, "the same prompt")
    return RouteTable(1, (task,), (Route("task-1", "sort"),))


@contextmanager
def pinned(core: int, command: list[str], env: dict[str, str] | None = None) -> Generator[subprocess.Popen[bytes]]:
    """A process on one core, ended afterwards."""
    with subprocess.Popen(["taskset", "-c", str(core), *command], env=os.environ | (env or {})) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=20)


def wait(port: int) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("the gateway did not start")


def both(name: str, port: int, process: subprocess.Popen[bytes], folder: Path, seconds: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for kind, extra in (("whole", []), ("stream", ["--stream"])):
        command = [sys.executable, str(HARNESS / "bench.py"), name, str(port), str(process.pid), "--bin", str(folder)]
        command += ["--seconds", str(seconds), "--out", str(folder / "results.jsonl"), *extra]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        row = json.loads(done.stdout.splitlines()[-1])
        figures[kind] = {
            "cpu_us": row["cpu_us_per_req"],
            "rps_per_core": row["rps_per_core"],
            "added_p50_ms": round(row["added_p50"] / 1000, 3) if "added_p50" in row else None,
            "added_p99_ms": round(row["added_p99"] / 1000, 3) if "added_p99" in row else None,
            "pss_mb": [row["pss_mb_idle"], row["pss_mb_after"]],
            "non2xx": row["non2xx"],
        }
        print(name, kind, figures[kind], flush=True)
    return figures


if __name__ == "__main__":
    main()
