"""Freehold's gateway beside others, on this machine in one run: what a call costs, what it adds, memory and start.

    python -m benchmarks.peers --install     once: into benchmarks/.peers, which git does not see
    python -m benchmarks.peers [--seconds 4] [--only NAME]

The same load, upstream and figures for all (`benchmarks._rig`), with the harness's configurations of the peers: one
worker, no database, no store of logs or keys, logging of bodies off. Freehold runs with everything on, as in
`benchmarks.gateway`. A peer that is not installed, does not start or refuses calls is named with the reason. Prints the
rows of the table in the README; exits 1 where LiteLLM needs less than 38 times the CPU of Freehold for a whole call.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from . import _gateway_home, _rig
from ._rig import Spot

FOLDER = Path(__file__).with_name(".peers")
MUST = 38.0
"""LiteLLM's CPU for a whole call, in ours."""
_PORT = 9220
_QUIET = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NODE_ENV": "production"}


class Peer(NamedTuple):
    """Another gateway.

    `packages`: what pip or npm installs. `command`: how it is started on a port. `spot`: how it is asked; port 0: it
    says the port itself, in a line with its address.
    """

    name: str
    packages: tuple[str, ...]
    command: Callable[[int], list[str]]
    spot: Spot
    npm: bool = False

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        return FOLDER / self.name.partition(" ")[0].lower()

    @property
    def installed(self) -> bool:
        """Whether its installation came to an end."""
        return (self.folder / ".installed").exists()


def _in(name: str, tool: str) -> str:
    return str(FOLDER / name / "bin" / tool)


PEERS = (
    Peer(
        "TensorZero 2026.6.0",
        ("tensorzero==2026.6.0",),
        lambda _port: [
            _in("tensorzero", "python"), str(_rig.HARNESS / "start_tensorzero.py"),
            str(_rig.HARNESS / "tensorzero.toml"),
        ],
        Spot(0, "/openai/v1/chat/completions", "tensorzero::model_name::mock"),
    ),
    Peer(
        "Portkey 1.15.2",
        ("@portkey-ai/gateway@1.15.2",),
        lambda port: [
            "node", str(FOLDER / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"), f"--port={port}",
            "--headless",
        ],
        Spot(
            _PORT,
            headers=("x-portkey-provider: openai", f"x-portkey-custom-host: http://127.0.0.1:{_rig.MOCK}/v1"),
        ),
        npm=True,
    ),
    Peer(
        "MLflow 3.17.2",
        ("mlflow[gateway]==3.17.2",),
        lambda port: [
            _in("mlflow", "mlflow"), "gateway", "start", "--config-path", str(_rig.HARNESS / "mlflow.yaml"), "--port",
            str(port), "--workers", "1",
        ],
        Spot(_PORT),
    ),
    Peer(
        "LiteLLM 1.106.2",
        ("litellm[proxy]==1.106.2",),
        lambda port: [
            _in("litellm", "litellm"), "--config", str(_rig.HARNESS / "litellm.yaml"), "--host", "127.0.0.1", "--port",
            str(port), "--num_workers", "1", "--telemetry", "False",
        ],
        Spot(_PORT),
    ),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--seconds", type=int, default=4, help="of load for each figure")
    parser.add_argument("--only", default="", help="one peer, by the beginning of its name")
    args = parser.parse_args()
    peers = [one for one in PEERS if one.name.lower().startswith(args.only.lower())]
    if args.install:
        for one in peers:
            install(one)
        return
    missing = _rig.missing()
    if missing or not any(one.installed for one in peers):
        print(f"skipped: it needs {', '.join(missing) or 'peers: python -m benchmarks.peers --install'}")
        return
    with tempfile.TemporaryDirectory() as name:
        figures, reasons = run(Path(name), peers, args.seconds)
    print(table(figures, reasons))
    ours = figures["Freehold"]
    reference = {name: found for name, found in figures.items() if name != "Freehold"}
    ratio = {
        f"{name} {kind}": round(found[kind]["cpu_us"] / ours[kind]["cpu_us"], 1)
        for name, found in reference.items()
        for kind in ("whole", "stream")
        if kind in found
    }
    holds = all(value >= MUST for name, value in ratio.items() if name.startswith("LiteLLM") and "whole" in name)
    print(
        json.dumps(
            {
                "benchmark": "peers",
                "figures": ours,
                "reference": reference,
                "ratio": ratio,
                "not_measured": reasons,
                "holds": holds,
            }
        )
    )
    sys.exit(0 if holds else 1)


def install(peer: Peer) -> None:
    """Install a peer where it is not; a failure is told and stops nobody."""
    if peer.installed:
        return
    peer.folder.mkdir(parents=True, exist_ok=True)
    if peer.npm:
        command = ["npm", "install", "--no-audit", "--no-fund", *peer.packages]
    else:
        subprocess.run([sys.executable, "-m", "venv", str(peer.folder)], check=True)
        command = [str(peer.folder / "bin" / "pip"), "install", "-q", *peer.packages]
    done = subprocess.run(command, cwd=peer.folder, check=False)
    if done.returncode:
        print(f"{peer.name} could not be installed")
    else:
        (peer.folder / ".installed").touch()


def run(folder: Path, peers: list[Peer], seconds: int) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Figures by name, and why there are none."""
    _rig.build(folder)
    figures: dict[str, dict[str, Any]] = {}
    reasons: dict[str, str] = {}
    with ExitStack() as stack:
        stack.enter_context(_rig.on_core(_rig.LOAD_CORE, [str(folder / "mock"), str(_rig.MOCK), "0"]))
        with freehold(folder) as (spot, process, start_s):
            figures["Freehold"] = measure(spot, process, folder, seconds, reasons, "Freehold") | {"start_s": start_s}
        for one in peers:
            if not one.installed:
                reasons[one.name] = "not installed"
                continue
            try:
                with running(one, folder) as (spot, process, start_s):
                    figures[one.name] = measure(spot, process, folder, seconds, reasons, one.name)
                    figures[one.name]["start_s"] = start_s
            except (RuntimeError, OSError) as error:
                reasons[one.name] = str(error)
    return figures, reasons


Up = tuple[Spot, "subprocess.Popen[bytes]", float]


@contextmanager
def freehold(folder: Path) -> Generator[Up]:
    """Our own, with everything on."""
    key = _gateway_home.make(folder / "home", mock=_rig.MOCK)
    command = [sys.executable, "-m", "freehold", "up", "--port", str(_PORT)]
    env = {"FREEHOLD_HOME": str(folder / "home")}
    with _rig.on_core(_rig.GATEWAY_CORE, command, env, folder / "freehold.log") as process:
        spot = Spot(_PORT, key=key)
        yield spot, process, round(_rig.until_answered(spot, process), 2)


@contextmanager
def running(peer: Peer, folder: Path) -> Generator[Up]:
    """A peer, once it answers."""
    log = folder / f"{peer.folder.name}.log"
    path = f"{peer.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    with _rig.on_core(_rig.GATEWAY_CORE, peer.command(_PORT), {**_QUIET, "PATH": path}, log) as process:
        began = time.monotonic()
        spot = peer.spot if peer.spot.port else peer.spot._replace(port=_told_port(log))
        _rig.until_answered(spot, process)
        yield spot, process, round(time.monotonic() - began, 2)


def _told_port(log: Path) -> int:
    """The port that a peer says it listens on."""
    for _ in range(1000):
        told = re.search(r"^http://[^:\s]+:(\d+)(/\S*)?$", log.read_text(errors="replace"), re.MULTILINE)
        if told:
            return int(told.group(1))
        time.sleep(0.02)
    raise RuntimeError("it did not say where it listens")


def measure(
    spot: Spot, process: subprocess.Popen[bytes], folder: Path, seconds: int, reasons: dict[str, str], name: str
) -> dict[str, Any]:
    """CPU, latency and memory of one gateway; a kind of call that it refuses is left out, with the reason."""
    time.sleep(_rig.SETTLED_S)
    pids = [process.pid, *_rig.below(process.pid)]
    found: dict[str, Any] = {"memory_idle_mb": _rig.memory_mb(pids)}
    for kind, stream in (("whole", False), ("stream", True)):
        _rig.drive(spot, process.pid, 1, stream=stream)
        driven = _rig.drive(spot, process.pid, seconds, stream=stream)
        if driven.bad or not driven.calls:
            reasons[f"{name}, {kind}"] = f"{driven.bad} of {driven.calls} calls were refused"
            continue
        added = _rig.added(spot, folder, stream=stream, rounds=2, calls=100)
        found[kind] = {"cpu_us": round(driven.tree_us, 1), "per_s_seen": round(driven.per_s)}
        for field in ("p50", "p99", "first_p50", "first_p99"):
            found[kind][f"added_{field}_ms"] = round(getattr(added, field), 2)
        print(f"{name}, {kind}: {found[kind]}", flush=True)
    return found | {"memory_after_mb": _rig.memory_mb([process.pid, *_rig.below(process.pid)])}


def table(figures: dict[str, dict[str, Any]], reasons: dict[str, str]) -> str:
    """The rows of the README's table, and below them who is missing."""
    heads = (
        "gateway",
        "CPU us a call, whole / stream",
        "calls a second and core",
        "added p50 / p99 ms",
        "added to first token p50 / p99 ms",
        "memory MB, idle → after",
        "start s",
    )
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for name, found in sorted(figures.items(), key=lambda one: one[1].get("whole", {}).get("cpu_us", 1e9)):
        whole, stream = found.get("whole", {}), found.get("stream", {})
        per_core = " / ".join(f"{1e6 / one['cpu_us']:,.0f}" if one else "-" for one in (whole, stream))
        lines.append(
            f"| {name} | {_pair(whole.get('cpu_us'), stream.get('cpu_us'))} | {per_core} "
            f"| {_pair(whole.get('added_p50_ms'), whole.get('added_p99_ms'))} "
            f"| {_pair(stream.get('added_first_p50_ms'), stream.get('added_first_p99_ms'))} "
            f"| {found['memory_idle_mb']:.0f} → {found['memory_after_mb']:.0f} | {found['start_s']} |"
        )
    return "\n".join([*lines, *(f"{name}: {why}" for name, why in reasons.items())])


def _pair(one: float | None, other: float | None) -> str:
    return " / ".join("-" if value is None else f"{value:g}" for value in (one, other))


if __name__ == "__main__":
    main()
