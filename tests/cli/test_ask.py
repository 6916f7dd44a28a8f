"""The questionnaire: answers are kept beside a person's settings, shown, editable, and bind."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.support import homes
from tests.support.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path)
    made.run("import", str(homes.colours_log(tmp_path / "calls.jsonl", 120, essays=0)))
    return made


def _answers(document: dict) -> dict[str, str | None]:
    return {row["name"]: row["value"] for row in document["answers"]}


def test_answers_are_kept_shown_and_taken_back_without_touching_a_persons_file(shell: Shell) -> None:
    name = shell.json("tasks")["tasks"][0]["name"]
    (home,) = [path.parent for path in shell.folder.rglob("control.db")]
    mine = home / "freehold.toml"
    written = f'# mine\n[tasks."{name}"]\nalpha = 0.02 # keep\n'
    mine.write_text(written)
    nothing = shell.json("ask", name)
    assert nothing["schema"] == "freehold.ask/1"
    assert set(_answers(nothing).values()) == {None}

    told = shell.json("ask", name, "--answer", "residency=EU, ch", "--answer", "strategic=yes", "--by", "Rosa")
    found = _answers(told)
    assert (found["residency"], found["strategic"], found["core"]) == ("eu, ch", "yes", None)
    assert mine.read_text() == written
    rows = {row["name"]: row for row in shell.json("config", "show")["settings"]}
    assert rows[f"tasks.{name}.residency"]["origin"].endswith("answers.toml")
    assert rows[f"tasks.{name}.alpha"]["origin"].endswith("freehold.toml")
    verdict = shell.json("verdict", name)["tasks"][0]
    assert verdict["declared"][0]["name"] == "residency"
    assert verdict["word"] == "not_enough_evidence"
    assert "openai" in verdict["to_find_out"]

    mine.write_text(written + "strategic = false\n")
    assert _answers(shell.json("ask", name))["strategic"] == "no", "the person's own file has the last word"
    again = shell.json("ask", name, "--answer", "residency=unknown")
    assert _answers(again)["residency"] is None


def test_an_answer_that_makes_no_sense_changes_nothing(shell: Shell) -> None:
    name = shell.json("tasks")["tasks"][0]["name"]
    for wrong in (
        "mood=good",
        "strategic=maybe",
        "appetite=huge",
        "residency=everywhere!",
        "residency=uk",
        "residency=usa",
        "skills=cooking",
        "max_latency_ms=-4",
        "core",
    ):
        refused = shell.run("ask", name, "--answer", wrong, code=2)
        assert refused.stdout == ""
        assert "matching regex" not in refused.stderr
        assert "enum" not in refused.stderr
    assert not list(shell.folder.rglob("answers.toml"))


def test_every_answer_that_a_question_offers_is_taken(shell: Shell) -> None:
    name = shell.json("tasks")["tasks"][0]["name"]
    for setting, said, kept in (
        ("skills", "both", "gpu_serving, training"),
        ("skills", "none", "none"),
        ("residency", "anywhere", "anywhere"),
    ):
        assert _answers(shell.json("ask", name, "--answer", f"{setting}={said}"))[setting] == kept


def test_on_a_terminal_each_question_is_asked_and_a_wrong_answer_is_asked_again(shell: Shell) -> None:
    """A real terminal for what is asked and typed; what comes out goes to a file."""
    name = shell.json("tasks")["tasks"][0]["name"]
    shell.run("ask", name, "--answer", "core=yes", "--answer", "niche=yes")
    # data_class, residency twice, frames, latency, can_wait, skills, appetite,
    # prototype, generic, core, niche, strategic
    typed = ["", "mars!", "de,gb", "", "", "", "both", "", "", "", "unknown", "", "no"]
    ours, theirs = pty.openpty()
    try:
        with (shell.folder / "out").open("w") as out:
            command = [sys.executable, "-m", "freehold", "ask", name]
            running = subprocess.Popen(
                command, cwd=shell.folder, env=shell.env, stdin=theirs, stdout=out, stderr=theirs
            )
            os.close(theirs)
            watch = threading.Timer(60, running.kill)  # one question more than answers would be waited for for ever
            watch.start()
            os.write(ours, "".join(f"{line}\n" for line in typed).encode())
            shown = _all_of(ours)
            assert running.wait(timeout=60) == 0, shown
            watch.cancel()
    finally:
        os.close(ours)
    assert shown.count("Where may its data be processed?") == 2
    assert "'mars!' is no answer to residency; eu, eea" in shown
    assert "Is it at the core of what you sell? [yes or no] (yes)" in shown
    assert "Where may its data be processed?" in (shell.folder / "out").read_text(), "the table, not the questions"
    found = _answers(shell.json("ask", name))
    told = {question: answer for question, answer in found.items() if answer is not None}
    assert told == {"residency": "de, gb", "skills": "gpu_serving, training", "niche": "yes", "strategic": "no"}


def _all_of(terminal: int) -> str:
    """Everything a terminal shows until nobody holds its other end."""
    shown = b""
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 4096):
            shown += piece
    return shown.decode().replace("\r\n", "\n")


def test_a_restriction_that_was_answered_binds_the_routes(shell: Shell) -> None:
    name = shell.json("tasks")["tasks"][0]["name"]
    shell.run("ask", name, "--answer", "data_class=restricted")
    (routes,) = shell.folder.rglob("routes.json")
    assert '"restricted"' in routes.read_text()
    assert shell.json("verdict", name)["tasks"][0]["options"][0]["allowed"] is False
