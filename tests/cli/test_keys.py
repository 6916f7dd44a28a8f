"""Virtual keys from the command line: the key on stdout once and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import keys as support
from tests.support.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_a_key_is_made_used_listed_and_revoked(shell: Shell) -> None:
    words = ["--budget", "50usd/month", "--rpm", "600", "--expires", "90d", "--models", "gpt-4*, m", "--team", "search"]
    made = shell.json("keys", "create", "search-team", *words)
    assert made["schema"] == "freehold.key/1"
    wanted = {"budget_usd": "50", "period": "month", "rpm": 600, "tpm": 0, "models": ["gpt-4*", "m"], "team": "search"}
    assert {name: made[name] for name in wanted} == wanted
    assert (made["status"], made["spent_usd"]) == ("active", "0")
    other = shell.process("keys", "create", "other")
    assert str((shell.folder / "home").resolve()) in other.stderr, "a key is no good at a gateway of another home"
    plain = other.stdout
    assert plain.startswith("fh-")
    assert plain.count("\n") == 1
    callers = support.opened(shell.folder / "home", clock=None)
    caller = support.caller(callers, made["key"])
    assert caller.key.name == "search-team"
    listed = shell.json("keys", "list")
    assert listed["schema"] == "freehold.keys/1"
    assert [key["name"] for key in listed["keys"]] == ["search-team", "other"]
    assert listed["keys"][1]["spent_usd"] is None
    shell.run("keys", "revoke", "search-team", "--reason", "left")
    shown = shell.run("keys", "list")
    assert "revoked" in shown.stdout
    everything = listed, shown.stdout, shown.stderr
    for key in (made["key"], plain.strip()):
        assert key not in repr(everything)
        for file in (shell.folder / "home").rglob("*"):
            assert not file.is_file() or key.encode() not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["create", "a", "--budget", "lots"], 2, "no budget"),
        (["create", "a", "--rpm", "-1"], 2, "--rpm"),
        (["create", "a", "--expires", "yesterday"], 2, "no time to come"),
        (["create", "a", "--budget", ""], 2, "--budget says nothing"),
        (["create", "a", "--expires", ""], 2, "--expires says nothing"),
        (["create", "a", "--models", "", "--models", " , "], 2, "--models says nothing"),
        (["create", "a", "--tasks", ""], 2, "--tasks says nothing"),
        (["create", "fh-secret"], 2, "does not begin with"),
        (["revoke", "nobody"], 1, "there is no key nobody"),
    ],
)
def test_mistakes_are_explained(shell: Shell, words: list[str], code: int, said: str) -> None:
    done = shell.run("keys", *words, code=code)
    assert said in done.stderr
    assert "secret" not in done.stderr
    assert done.stdout == ""


def test_what_is_no_name_is_refused_with_a_line_that_is_one(shell: Shell) -> None:
    for name in ("", " spaced", "x" * 500):
        said = shell.run("keys", "create", name, code=2).stderr
        assert "printable characters" in said
        assert "freehold keys create my-service" in said
    assert shell.json("keys", "list")["keys"] == []
