"""The housekeeper publishes, seals, and goes when its parent goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support import homes

from freehold import settings as settings_module
from freehold.gateway.app import Gateway
from freehold.registry import routes
from freehold.services import discovering, housekeeping, ingest, running
from freehold.services._beside import PUBLISHED


def test_it_publishes_what_the_settings_declare_and_ends_with_its_input(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "freehold.toml").write_text('[tasks.secret]\ndata_class = "restricted"\n')
    env = os.environ | {"FREEHOLD_HOME": str(home)}
    command = [sys.executable, "-m", "freehold.services.housekeeping", str(home), "0"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == PUBLISHED.decode()
    table = routes.load(routes.path(home))
    assert [(r.task_name, r.data_class) for r in table.routes] == [("secret", "restricted")]


def test_it_seals_closed_files_and_no_call_is_lost(tmp_path: Path) -> None:
    log = homes.colours_log(tmp_path / "calls.jsonl", 50, essays=0)
    with homes.home(tmp_path / "home") as home:
        ingest.import_log(home, log)
        before = [call.id for call in home.calls()]
        housekeeping.once(home.path, "seal")
        assert list((home.path / "ledger" / "segments").rglob("*.parquet"))
        assert [call.id for call in home.calls()] == before


class Beside:
    """A housekeeper that looks at the settings often."""

    def __init__(self, home: Path) -> None:
        code = (
            "import sys, pathlib, freehold.services.housekeeping as h; h.main(pathlib.Path(sys.argv[1]), 0, 60, 0.05)"
        )
        env = os.environ | {"FREEHOLD_HOME": str(home)}
        command = [sys.executable, "-c", code, str(home)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=home
        )

    def __enter__(self) -> subprocess.Popen[bytes]:
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)


def test_a_declaration_made_while_it_runs_is_published(tmp_path: Path) -> None:
    with Beside(tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == PUBLISHED
        assert routes.load(routes.path(tmp_path)).restricted_names == ()
        (tmp_path / "freehold.toml").write_text('[tasks.secret]\ndata_class = "restricted"\n')
        until = time.monotonic() + 30
        while routes.load(routes.path(tmp_path)).restricted_names != ("secret",):
            assert time.monotonic() < until, "the settings changed and nobody published them"
            time.sleep(0.02)


def test_a_failure_to_publish_is_said_and_the_start_does_not_wait_for_it(tmp_path: Path) -> None:
    (tmp_path / "freehold.toml").write_text("[tasks.secret\n")
    with Beside(tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"failed\n"
        assert b"could not publish" in process.stderr.readline()


def test_calls_are_answered_by_what_the_settings_say_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with homes.home(tmp_path) as home:
        ingest.import_log(home, homes.colours_log(tmp_path / "calls.jsonl", 60, essays=0))
        found = discovering.find_tasks(home)[0]
        home.registry.rename(found.name, "renamed since", by="ann")
    routes.path(tmp_path).unlink()
    (tmp_path / "freehold.toml").write_text(
        f'[tasks.{found.name}]\ndata_class = "restricted"\n[tasks.typo]\ndata_class = "restricted"\n'
    )
    seen: list[object] = []

    def look(gateway: Gateway) -> None:
        routed = {r.task_name: r.data_class for r in gateway.router.table.routes}
        seen.append((gateway.router.fault, routed, gateway.router.unseen_restricted()))
        os.kill(os.getpid(), signal.SIGTERM)

    running.run(settings_module.load(), port=0, ready=look)
    assert seen == [(None, {"renamed since": "restricted", "typo": "restricted"}, ["typo"])]
