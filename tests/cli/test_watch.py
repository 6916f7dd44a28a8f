"""`freehold watch` as a script meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support import homes
from typer.testing import CliRunner

from freehold.cli._app import app
from freehold.cli.watch import CHANGED
from freehold.services import watching

RUNNER = CliRunner()


def test_a_round_prints_a_line_per_task_and_its_exit_code_says_whether_an_answer_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    log = homes.colours_log(tmp_path / "calls.jsonl", 500, essays=20)
    assert RUNNER.invoke(app, ["import", str(log)]).exit_code == 0
    first = RUNNER.invoke(app, ["watch", "--once", "--json"])
    assert first.exit_code == 0
    lines = [json.loads(line) for line in first.stdout.splitlines()]
    assert {line["schema"] for line in lines} == {"freehold.watch/1"}
    assert {line["status"] for line in lines} == {"first"}
    again = RUNNER.invoke(app, ["watch", "--once"])
    assert again.exit_code == 0
    assert "unchanged" in again.stdout

    # as if a student had been chosen long ago: the bill is far too small for one
    file = tmp_path / "home" / watching.FILE_NAME
    state = json.loads(file.read_text("utf-8"))
    for kept in state["tasks"].values():
        kept["held"] = {"word": "own_student", "since": "2026-01-01T00:00:00Z"}
        kept["seen"]["calls_per_month"] *= 2
    file.write_text(json.dumps(state), "utf-8")
    fallen = RUNNER.invoke(app, ["watch", "--once"])
    assert fallen.exit_code == CHANGED
    assert "calls a month -50%" in fallen.stdout
    assert "keep renting (was: own a student)" in fallen.stdout
