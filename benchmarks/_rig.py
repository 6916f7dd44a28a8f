"""What the gateway benchmarks share: processes on a core, what they cost, and load from the shared harness.

CPU is read from the scheduler's accounts (`schedstat`), so that whoever else uses the machine disturbs it little.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import statistics
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

HARNESS = Path(__file__).resolve().parents[2] / "shared" / "bench" / "gateway"
LOAD_CORE, GATEWAY_CORE = "0", "1"
MOCK = 9100
"""Port of the harness's upstream: OpenAI's format, no delay, 23 events where a stream is asked for."""
CONNECTIONS = 32
SETTLED_S = 3.0
"""After a start: what a gateway loads while it listens is there by then, so that it counts as idle memory."""
_CHAT_LUA = HARNESS / "post.lua"
_BODY_LUA = Path(__file__).with_name("_post.lua")
_TICKS = os.sysconf("SC_CLK_TCK")
_CHAT = "/v1/chat/completions"


class Spot(NamedTuple):
    """Where and how a server is asked.

    Without `body` the request is the harness's own chat completion. `headers`: `name: value` each.
    """

    port: int
    path: str = _CHAT
    model: str = "gpt-4o-mini"
    key: str = "sk-test"
    headers: tuple[str, ...] = ()
    body: str = ""


class Cpu(NamedTuple):
    """Seconds of CPU: of one process, and of all its children as well, those that ended included."""

    own: float
    tree: float


class Driven(NamedTuple):
    """What some seconds of load came to. `own_us` and `tree_us`: CPU per call of the process and of its tree."""

    calls: int
    bad: int
    per_s: float
    own_us: float
    tree_us: float


class Added(NamedTuple):
    """What a gateway adds to a call at 50 calls a second, in milliseconds."""

    p50: float
    p99: float
    first_p50: float
    first_p99: float
    errors: int


def missing() -> list[str]:
    """What this machine lacks for the benchmarks."""
    lacks = [tool for tool in ("gcc", "wrk", "taskset") if shutil.which(tool) is None]
    if not HARNESS.is_dir():
        lacks.append("../shared/bench/gateway")
    if (os.cpu_count() or 1) < 2:
        lacks.append("two cores")
    return lacks


def build(folder: Path) -> None:
    """Compile the harness's upstream and its latency probe."""
    for source in ("mock", "lat"):
        subprocess.run(["gcc", "-O2", "-o", str(folder / source), str(HARNESS / f"{source}.c")], check=True)


@contextmanager
def on_core(
    core: str, command: Sequence[str], env: Mapping[str, str] | None = None, log: Path | None = None
) -> Generator[subprocess.Popen[bytes]]:
    """A process on one core, ended afterwards with all that it started. `log` takes what it says."""
    out = log.open("wb") if log is not None else None
    environ = {**os.environ, **(env or {})}
    try:
        with subprocess.Popen(
            ["taskset", "-c", core, *command], env=environ, stdout=out, stderr=out, start_new_session=True
        ) as process:
            try:
                yield process
            finally:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=20)
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    finally:
        if out is not None:
            out.close()


def until_answered(spot: Spot, process: subprocess.Popen[bytes], limit_s: float = 90.0) -> float:
    """Seconds from now until the first answer of 200.

    Raises:
        RuntimeError: there was none; the message says what came instead.
    """
    began, last = time.monotonic(), "nothing"
    headers = {"content-type": "application/json", "authorization": f"Bearer {spot.key}"}
    headers |= {name: value.strip() for name, _, value in (line.partition(":") for line in spot.headers)}
    body = spot.body or json.dumps({"model": spot.model, "messages": [{"role": "user", "content": "hi"}]})
    while time.monotonic() - began < limit_s and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", spot.port, timeout=20)
        try:
            connection.request("POST", spot.path, body, headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status == 200:
                return time.monotonic() - began
            last = f"{answer.status} {said[:200]!r}"
        except OSError as error:
            last = type(error).__name__
        finally:
            connection.close()
        time.sleep(0.01)
    raise RuntimeError(f"it did not answer ({last})")


def cpu(pid: int) -> Cpu:
    """What a process and its tree have used so far."""
    own = _used(pid)
    return Cpu(own, own + _ended_children(pid) + sum(_used(one) + _ended_children(one) for one in below(pid)))


def memory_mb(pids: Sequence[int]) -> float:
    """Their proportional set size together, in MB."""
    kilobytes = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        kilobytes += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return round(kilobytes / 1024, 1)


def below(pid: int) -> list[int]:
    """Every process under one."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], list(children.get(pid, ()))
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children.get(one, ())
    return found


def drive(spot: Spot, pid: int, seconds: int, *, stream: bool = False, connections: int = CONNECTIONS) -> Driven:
    """Load from as many connections as fast as they are answered, and what a call cost."""
    before = cpu(pid)
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "20"]
    command += ["-s", str(_BODY_LUA if spot.body else _CHAT_LUA), f"http://127.0.0.1:{spot.port}{spot.path}"]
    said = subprocess.run(command, env=_environment(spot, stream=stream), capture_output=True, text=True, check=True)
    after = cpu(pid)
    words = {line.split(":")[0].strip(): line.split()[-1] for line in said.stdout.splitlines() if ":" in line}
    calls = next((int(line.split()[0]) for line in said.stdout.splitlines() if " requests in " in line), 0)
    bad = int(words.get("Non-2xx or 3xx responses", 0))
    per_us = 1e6 / max(calls, 1)
    return Driven(
        calls, bad, float(words.get("Requests/sec", 0)), (after.own - before.own) * per_us,
        (after.tree - before.tree) * per_us,
    )  # fmt: skip


def added(spot: Spot, folder: Path, *, stream: bool = False, rounds: int = 3, calls: int = 200) -> Added:
    """Latency at 50 calls a second through a gateway less that without one, rounds of both in turn; medians of them."""
    direct, through = [], []
    for _ in range(rounds):
        direct.append(_probed(Spot(MOCK), folder, calls, stream=stream))
        through.append(_probed(spot, folder, calls, stream=stream))

    def difference(name: str) -> float:
        return (statistics.median(x[name] for x in through) - statistics.median(x[name] for x in direct)) / 1000

    errors = sum(int(one["err"]) for one in through)
    return Added(difference("p50"), difference("p99"), difference("ttfb50"), difference("ttfb99"), errors)


def _probed(spot: Spot, folder: Path, calls: int, *, stream: bool) -> dict[str, Any]:
    command = ["taskset", "-c", LOAD_CORE, str(folder / "lat"), str(spot.port), spot.path, "50", str(calls), spot.model]
    command += ["1" if stream else "0", spot.key, "\r\n".join(spot.headers)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    found: dict[str, Any] = json.loads(said.stdout)
    if not found.get("n"):
        raise RuntimeError(f"no call was answered: {said.stderr[:300]}")
    return found


def _environment(spot: Spot, *, stream: bool) -> dict[str, str]:
    own = {"MODEL": spot.model, "KEY": spot.key, "STREAM": "1" if stream else "0", "EXTRA": "|".join(spot.headers)}
    return {**os.environ, **own, "BODY": spot.body}


def _used(pid: int) -> float:
    """Seconds of CPU of a process's threads; 0 where it has gone."""
    total = 0
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    except OSError:
        pass
    return total / 1e9


def _ended_children(pid: int) -> float:
    """Seconds of CPU of the children that a process has waited for, in the kernel's coarse ticks."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[13]) + int(fields[14])) / _TICKS
