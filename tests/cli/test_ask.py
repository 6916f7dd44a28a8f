"""The questionnaire: answers are kept beside a person's settings, shown, editable, and bind."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.test_commands import Shell
from tests.support import homes


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
        "max_latency_ms=-4",
        "core",
    ):
        assert shell.run("ask", name, "--answer", wrong, code=2).stdout == ""
    assert not list(shell.folder.rglob("answers.toml"))


def test_a_restriction_that_was_answered_binds_the_routes(shell: Shell) -> None:
    name = shell.json("tasks")["tasks"][0]["name"]
    shell.run("ask", name, "--answer", "data_class=restricted")
    (routes,) = shell.folder.rglob("routes.json")
    assert '"restricted"' in routes.read_text()
    assert shell.json("verdict", name)["tasks"][0]["options"][0]["allowed"] is False
