"""Processes as benchmarks look at them: their trees, their memory, and a gateway that is started for a while."""

from __future__ import annotations

import compileall
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import freehold

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]})


def compiled() -> None:
    """Have the package's bytecode lie beside it, as pip leaves it where it installs a package.

    A checkout has none where `PYTHONDONTWRITEBYTECODE` is set: each start would compile some two hundred modules, which
    is more work than all the rest of it.
    """
    compileall.compile_dir(Path(freehold.__file__).parent, quiet=2)


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += parents.get(found[-1], [])
    return found


def pss_mb(pid: int) -> float:
    """Memory of a process and its descendants, what they share counted once (PSS), in MB of 2**20 bytes."""
    total = 0
    for one in tree(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text("ascii").splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def first_answer(port: int, path: str = "/v1/chat/completions", timeout_s: float = 60.0) -> None:
    """Return at the first 200; asks every few milliseconds."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        try:
            connection.request("POST", path, BODY, {"content-type": "application/json"})
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.005)
    sys.exit("no answer came")


@contextmanager
def started(command: list[str], env: dict[str, str]) -> Generator[tuple[subprocess.Popen[bytes], float]]:
    """A process, and when it was started by `time.perf_counter`; told to end afterwards."""
    began = time.perf_counter()
    with subprocess.Popen(command, env=os.environ | env, stderr=subprocess.DEVNULL) as process:
        try:
            yield process, began
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


def up(port: int, *words: str) -> list[str]:
    """The command that starts a gateway."""
    return [sys.executable, "-m", "freehold", "up", "--port", str(port), *words]


def home_renting_from(folder: Path, port: int) -> dict[str, str]:
    """The environment of a new home whose provider listens on a port of this machine."""
    folder.mkdir(parents=True)
    (folder / "freehold.toml").write_text(
        f'[providers.mock]\nkind = "compatible"\nbase_url = "http://127.0.0.1:{port}/v1"\n', encoding="utf-8"
    )
    return {"FREEHOLD_HOME": str(folder)}
