"""What a call costs at the gateway, with everything on that production has on.

    python -m benchmarks.gateway [--seconds 5] [--rounds 2] [--million]

`freehold up` with one worker, pinned to core 1: ledger, a virtual key with a budget and limits of requests and tokens,
and the registry's own route table with a trained student in charge of one task. The load (wrk, 32 connections) and the
upstreams are on core 0. `whole` and `stream` (23 events) are OpenAI's chat completions that belong to no task, so that
the matcher looks at every one and finds nothing; `matched` ones belong to a promoted task and are rented all the same;
`messages` are Anthropic's, `translated` come as chat completions and are answered by a Messages upstream.

CPU is that of the whole process tree: the gateway with its ledger's thread, the housekeeper (sealing included, as far
as it fell into the run) and the owned model's worker; `gateway_us` is the gateway's process alone. The reference is the
harness's bare reverse proxy on raw asyncio protocols in the same run, in turn with ours: a floor with no time-outs, no
ledger, no keys and no routing. What it adds at 50 calls a second is measured as well: there the machine's wake-ups and
caches that have gone cold are most of the figure. `--million` sends one more million calls and compares the memory (it
takes minutes). Exits 1 where a figure that must hold is missed. Needs gcc, wrk, taskset and two cores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from . import _gateway_home, _rig
from ._processes import compiled
from ._rig import Driven, Spot

FLOOR, GATEWAY, MATCHED = 9210, 9211, 9212
MUST = {
    "whole": 150.0, "stream": 180.0, "added_p50_ms": 0.5, "added_p99_ms": 3.0, "memory_mb": 80.0, "growth": 1.1,
    "start_s": 1.0, "import_s": 0.3,
}  # fmt: skip
AIM = {"whole": 78.0, "stream": 80.0, "added_p50_ms": 0.25, "added_p99_ms": 1.0, "memory_mb": 50.0}
MILLION = 1_000_000
_MESSAGES = json.dumps(
    {
        "model": _gateway_home.CLAUDE_MODEL,
        "max_tokens": 128,
        "temperature": 0.2,
        "system": "You are a careful assistant that extracts invoice fields.",
        "messages": [
            {
                "role": "user",
                "content": "When is invoice 4711 due, and what is the total? The supplier wrote: issued 3 March, "
                "net 30, 1,240.00 EUR incl. VAT.",
            }
        ],
    },
    separators=(",", ":"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="of load for each figure and round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--million", action="store_true", help="memory after a million calls")
    args = parser.parse_args()
    missing = _rig.missing()
    if missing:
        print(f"skipped: it needs {', '.join(missing)}")
        return
    with tempfile.TemporaryDirectory() as name:
        figures, floor = run(Path(name), args.seconds, args.rounds, million=args.million)
    missed = misses(figures)
    ratio = {kind: round(figures[kind]["cpu_us"] / floor["floor_us"][kind], 2) for kind in ("whole", "stream")}
    print(
        json.dumps(
            {
                "benchmark": "gateway",
                "figures": figures,
                "reference": {**floor, "must": MUST, "aim": AIM},
                "ratio": ratio,
                "missed": missed,
                "holds": not missed,
            }
        )
    )
    sys.exit(1 if missed else 0)


def misses(figures: dict[str, Any]) -> list[str]:
    """The figures that must hold and do not."""
    measured = {kind: figures[kind]["cpu_us"] for kind in ("whole", "stream")}
    measured |= {"start_s": figures["start_s"], "import_s": figures["import_s"]}
    measured["memory_mb"] = figures["memory_mb"]["idle"]
    measured["added_p50_ms"] = max(figures["added_whole_ms"]["p50"], figures["added_stream_ms"]["first_p50"])
    measured["added_p99_ms"] = max(figures["added_whole_ms"]["p99"], figures["added_stream_ms"]["first_p99"])
    if "after_a_million" in figures["memory_mb"]:
        measured["growth"] = figures["memory_mb"]["after_a_million"] / figures["memory_mb"]["idle"]
    return [name for name, value in measured.items() if value > MUST[name]]


def run(folder: Path, seconds: int, rounds: int, *, million: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Every figure of the gateway; and of the floor its CPU per call and what it adds (`p50`, in ms)."""
    _rig.build(folder)
    compiled()
    with ExitStack() as stack:
        stack.enter_context(_rig.on_core(_rig.LOAD_CORE, [str(folder / "mock"), str(_rig.MOCK), "0"]))
        claude = [sys.executable, "-m", "benchmarks._claude_mock"]
        stack.enter_context(_rig.on_core(_rig.LOAD_CORE, claude, {"PORT": str(_gateway_home.CLAUDE)}))
        floor_env = {"PORT": str(FLOOR), "UPSTREAM_PORT": str(_rig.MOCK)}
        floor_command = [sys.executable, str(_rig.HARNESS / "ref_rawproto.py")]
        floor = stack.enter_context(_rig.on_core(_rig.GATEWAY_CORE, floor_command, floor_env, folder / "floor.log"))
        _rig.until_answered(Spot(FLOOR), floor)
        spot, gateway, start_s = started(stack, folder / "home", GATEWAY, matched=False)
        time.sleep(_rig.SETTLED_S)
        idle_mb = _rig.memory_mb([gateway])
        at = {
            "floor whole": (Spot(FLOOR), floor), "floor stream": (Spot(FLOOR), floor),
            "whole": (spot, gateway), "stream": (spot, gateway),
        }  # fmt: skip
        main_rows = in_turn(at, seconds, rounds)
        figures: dict[str, Any] = {kind: row(main_rows[kind]) for kind in ("whole", "stream")}
        figures["start_s"], figures["import_s"] = round(start_s, 2), import_s()
        figures["added_whole_ms"] = _rounded(_rig.added(spot, folder)._asdict())
        figures["added_stream_ms"] = _rounded(_rig.added(spot, folder, stream=True)._asdict())
        figures |= others(stack, folder, spot, gateway, seconds)
        figures["memory_mb"] = {"idle": idle_mb, "after_this_run": _rig.memory_mb([gateway])}
        figures["memory_mb"]["other_processes"] = _rig.memory_mb(_rig.below(gateway))
        if million:
            figures["memory_mb"]["after_a_million"] = after_a_million(spot, gateway)
        return figures, of_the_floor(main_rows, folder)


def of_the_floor(rows: dict[str, list[Driven]], folder: Path) -> dict[str, Any]:
    """What the bare proxy costs and adds in this very run: how fast the machine is now, and how cold its caches."""
    kinds = ("whole", "stream")
    return {
        "floor_us": {kind: round(median_us(rows[f"floor {kind}"]), 1) for kind in kinds},
        "floor_added_ms": {
            kind: round(_rig.added(Spot(FLOOR), folder, stream=kind == "stream").p50, 3) for kind in kinds
        },
    }


def started(stack: ExitStack, home: Path, port: int, *, matched: bool) -> tuple[Spot, int, float]:
    """A gateway on a new home: where it answers, its process, and seconds from its start to its first answer."""
    key = _gateway_home.make(home, mock=_rig.MOCK, matched=matched)
    command = [sys.executable, "-m", "freehold", "up", "--port", str(port)]
    log = home.with_suffix(".log")
    process = stack.enter_context(_rig.on_core(_rig.GATEWAY_CORE, command, {"FREEHOLD_HOME": str(home)}, log))
    spot = Spot(port, key=key)
    return spot, process.pid, _rig.until_answered(spot, process)


def others(stack: ExitStack, folder: Path, spot: Spot, gateway: int, seconds: int) -> dict[str, Any]:
    """The rows beside the two that the figures are about."""
    matched, process, _ = started(stack, folder / "matched", MATCHED, matched=True)
    messages = spot._replace(path="/v1/messages", body=_MESSAGES, headers=("anthropic-version: 2023-06-01",))
    translated = spot._replace(model=f"claude/{_gateway_home.CLAUDE_MODEL}")
    at = {
        f"{name}{kind}": where
        for name, where in (
            ("matched", (matched, process)),
            ("messages", (messages, gateway)),
            ("translated", (translated, gateway)),
        )
        for kind in (" whole", " stream")
    }
    return {name.replace(" ", "_"): row(driven) for name, driven in in_turn(at, seconds, 1).items()}


def in_turn(at: dict[str, tuple[Spot, Any]], seconds: int, rounds: int) -> dict[str, list[Driven]]:
    """Load on each in turn, after a short one that counts nowhere."""
    found: dict[str, list[Driven]] = {name: [] for name in at}
    for number in range(rounds + 1):
        for name, (spot, process) in at.items():
            pid = process if isinstance(process, int) else process.pid
            driven = _rig.drive(spot, pid, seconds if number else 1, stream=name.endswith("stream"))
            if driven.bad:
                raise RuntimeError(f"{name}: {driven.bad} of {driven.calls} calls were refused")
            if number:
                found[name].append(driven)
                print(f"{name}: {driven}", flush=True)
    return found


def row(driven: list[Driven]) -> dict[str, float]:
    """Medians over the rounds."""
    tree = median_us(driven)
    return {
        "cpu_us": round(tree, 1),
        "gateway_us": round(statistics.median(one.own_us for one in driven), 1),
        "per_s_and_core": round(1e6 / tree),
        "per_s_seen": round(statistics.median(one.per_s for one in driven)),
    }


def median_us(driven: list[Driven]) -> float:
    """CPU per call of the whole tree."""
    return statistics.median(one.tree_us for one in driven)


def after_a_million(spot: Spot, gateway: int) -> float:
    """Memory of the gateway after a million more calls, whole and streamed by turns."""
    sent = 0
    while sent < MILLION:
        for stream in (False, True):
            sent += _rig.drive(spot, gateway, 20, stream=stream).calls
        print(f"memory: {sent} calls, {_rig.memory_mb([gateway])} MB", flush=True)
    return _rig.memory_mb([gateway])


def import_s() -> float:
    """Seconds that importing the gateway takes; the best of three."""
    code = "import time; began = time.perf_counter(); import freehold.gateway.app; print(time.perf_counter() - began)"
    command = [sys.executable, "-c", code]
    taken = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(3)]
    return round(min(taken), 3)


def _rounded(added: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in added.items()}


if __name__ == "__main__":
    main()
