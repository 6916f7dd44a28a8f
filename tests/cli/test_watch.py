"""`freehold watch` as a script meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support import homes
from typer.testing import CliRunner

from freehold.cli._app import app
from freehold.cli.watch import CHANGED
from freehold.errors import UsageError
from freehold.services import watching

RUNNER = CliRunner()


def _as_if_a_student_had_been_chosen(folder: Path) -> None:
    """Long ago: the bill is far too small for one."""
    file = folder / "home" / watching.FILE_NAME
    state = json.loads(file.read_text("utf-8"))
    for kept in state["tasks"].values():
        kept["held"] = {"word": "own_student", "since": "2026-01-01T00:00:00Z"}
        kept["seen"]["calls_per_month"] *= 2
    file.write_text(json.dumps(state), "utf-8")


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

    _as_if_a_student_had_been_chosen(tmp_path)
    fallen = RUNNER.invoke(app, ["watch", "--once"])
    assert fallen.exit_code == CHANGED
    assert "calls a month -50%" in fallen.stdout
    assert "keep renting (was: own a student)" in fallen.stdout

    told = tmp_path / "told"
    _as_if_a_student_had_been_chosen(tmp_path)
    watch = ["watch", "--once", "--tell", f"tee -a {told}"]
    assert RUNNER.invoke(app, watch).exit_code == CHANGED
    assert RUNNER.invoke(app, watch).exit_code == 0  # what did not change is told nobody
    heard = [json.loads(line) for line in told.read_text("utf-8").splitlines()]
    assert {one["status"] for one in heard} == {"flipped"}
    assert len(heard) == len({one["task"] for one in heard}) > 0

    _as_if_a_student_had_been_chosen(tmp_path)
    failed = RUNNER.invoke(app, ["watch", "--once", "--tell", "false"])
    assert failed.exit_code == CHANGED
    assert "false could not be told" in " ".join(failed.stderr.split())
    assert "ended with 1" in " ".join(failed.stderr.split())


@pytest.mark.parametrize("wrong", ["no-such-command-anywhere", "mail 'me"])
def test_a_command_that_cannot_be_run_is_refused_before_the_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "home"))
    with pytest.raises(UsageError, match="--tell"):
        RUNNER.invoke(app, ["watch", "--once", "--tell", wrong], catch_exceptions=False)
