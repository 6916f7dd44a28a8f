"""Redeploying, drilled for real: an archive, an empty home, fresh processes, a gateway there, and its answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from tests.support import served_home
from tests.support.shell import Shell

from freehold.errors import MissingPrerequisite, UpstreamFailed
from freehold.registry import routes
from freehold.services import redeploying
from freehold.services.home import Home

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with served_home.serving(tmp_path_factory.mktemp("redeploying")) as made:
        (made.path / "freehold.toml").write_text('[providers.openai]\nkind = "openai"\n')
        yield made


def test_a_model_is_back_in_service_and_answers_the_same(home: Home) -> None:
    task = served_home.narrow(home).name
    files = {path for path in home.path.rglob("*") if path.is_file()}
    with served_home.again(home, restricted=True) as closed:
        found = redeploying.redeploy(closed, task, calls=40)
    assert [phase.name for phase in found.phases] == ["export", "verify", "restore", "start", "parity"]
    assert found.passes
    assert (found.asked, found.same, found.not_asked, found.differing) == (40, 40, 0, ())
    assert 0 < found.served <= 40
    assert 0 < found.in_service_s < found.total_s
    assert found.archive_bytes > 10_000
    assert {path for path in home.path.rglob("*") if path.is_file()} == files
    said = " ".join(redeploying.in_words(found))
    assert "answered 40 of 40 calls as it does here" in said
    assert "Not shown: another machine" in said


def test_an_answer_that_is_served_here_and_not_there_is_a_miss(home: Home) -> None:
    """Somebody lowered the threshold here by hand: what is in service here is not what the archive brings."""
    file = routes.path(home.path)
    before = routes.load(file)
    here = [msgspec.structs.replace(one, threshold=2.0) if one.student_id else one for one in before.routes]
    routes.write(file, msgspec.structs.replace(before, routes=tuple(here)))
    shell = Shell(home.path, home=home.path)
    try:
        task = served_home.narrow(home).name
        done = shell.run("drill", "redeploy", task, "--calls", "20", code=3)
        assert "Not alike: colour-" in done.stdout
        found = shell.json("drill", "redeploy", task, "--calls", "20", code=3)
    finally:
        routes.write(file, before)
    assert (found["schema"], found["asked"]) == ("freehold.drill_redeploy/1", 20)
    assert found["same"] < 20


def test_what_goes_wrong_in_the_new_home_is_said(home: Home, tmp_path: Path) -> None:
    new = redeploying._NewHome(tmp_path / "new")
    with pytest.raises(UpstreamFailed, match=r"freehold deploy failed in the new home: .*is no archive"):
        new.run("deploy", "nothing.tar")
    (tmp_path / "new" / "freehold.toml").write_text("[gateway]\nharbour = 1\n")
    with pytest.raises(UpstreamFailed, match="did not start in the new home: "), new.gateway():
        pass


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for processes as Linux lists them")
def test_a_drill_that_is_ended_leaves_neither_processes_nor_calls(home: Home, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "freehold", "drill", "redeploy", served_home.narrow(home).name]
    env = {k: v for k, v in os.environ.items() if not k.startswith("FREEHOLD_")}
    env |= {"FREEHOLD_HOME": str(home.path), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as drill:
        while not any(b"freehold.serving.worker" in one for one in within(tmp_path)):
            assert drill.poll() is None
            time.sleep(0.02)
        drill.send_signal(signal.SIGTERM)
    assert drill.returncode == 128 + signal.SIGTERM
    assert within(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def within(folder: Path) -> list[bytes]:
    """The command lines of all processes whose working folder lies in a folder."""
    found: list[bytes] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_bytes())
    return found


def test_a_task_that_nothing_owned_serves_is_told_so(home: Home) -> None:
    essays = next(task for task in home.registry.tasks() if task.kind == "free_text")
    with pytest.raises(MissingPrerequisite, match="no owned model serves"):
        redeploying.redeploy(home, essays.name)
