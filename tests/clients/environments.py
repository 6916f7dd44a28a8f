"""Environments of clients, under `.venv-clients/`: made anew when what pins them changes, and with nothing of ours."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from tests.clients.catalogue import PROGRAMS, ROOT, Client

HOME = ROOT / ".venv-clients"
_KINDLY = ("nice", "-n", "5") if shutil.which("nice") else ()


class NotInstalled(Exception):
    """A client could not be installed; says what the installer said last."""


def prepared(client: Client) -> list[str]:
    """The command that runs the client's program in its environment, which is made where it is not there yet.

    Raises:
        NotInstalled: the registries or Node could not be reached.
    """
    place = HOME / client.name
    stamp = place / ".made-from"
    wanted = hashlib.sha256(client.requirements.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text("utf-8") != wanted:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        (_node if client.is_node else _python)(client, place)
        stamp.write_text(wanted, "utf-8")
    if not client.is_node:
        return [str(_interpreter(place)), "-P", str(PROGRAMS / client.program)]
    for program in PROGRAMS.glob("*.mjs"):  # Node looks for packages beside the program that imports them
        shutil.copy(program, place)
    return [_found("node"), str(place / client.program)]


def run(client: Client, command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program against a stand, with nothing of this process's environment that could lead it elsewhere."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
    place = HOME / client.name
    return subprocess.run(
        [*_KINDLY, *command],
        env=kept | environment | {"PYTHONPATH": str(PROGRAMS), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=place if place.is_dir() else PROGRAMS,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def _python(client: Client, place: Path) -> None:
    venv.create(place, with_pip=True)
    options = ["-q", "--disable-pip-version-check", "--require-hashes", "-r", str(client.requirements)]
    _install([str(_interpreter(place)), "-m", "pip", "install", *options], place)


def _node(client: Client, place: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(client.requirements.parent / name, place)
    _install([_found("npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"], place)


def _install(command: list[str], place: Path) -> None:
    done = subprocess.run([*_KINDLY, *command], cwd=place, capture_output=True, text=True, timeout=1200, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NotInstalled(said[-1] if said else f"the installer ended with {done.returncode}")


def _found(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise NotInstalled(f"{program} is not here")
    return found


def _interpreter(place: Path) -> Path:
    return place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
