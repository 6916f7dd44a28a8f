"""Virtual keys from the command line: real processes, the key on stdout once and nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support import keys as support

_ENV = {name: value for name, value in os.environ.items() if not name.startswith("FREEHOLD_")}


def run(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "freehold", "keys", *words],
        cwd=folder,
        env=_ENV | {"FREEHOLD_HOME": str(folder / "home"), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def as_json(folder: Path, *words: str) -> Any:
    return json.loads(run(folder, *words, "--json").stdout)


def test_a_key_is_made_used_listed_and_revoked(tmp_path: Path) -> None:
    words = ["--budget", "50usd/month", "--rpm", "600", "--expires", "90d", "--models", "gpt-4*, m", "--team", "search"]
    made = as_json(tmp_path, "create", "search-team", *words)
    assert made["schema"] == "freehold.key/1"
    wanted = {"budget_usd": "50", "period": "month", "rpm": 600, "tpm": 0, "models": ["gpt-4*", "m"], "team": "search"}
    assert {name: made[name] for name in wanted} == wanted
    assert (made["status"], made["spent_usd"]) == ("active", "0")
    plain = run(tmp_path, "create", "other").stdout
    assert plain.startswith("fh-")
    assert plain.count("\n") == 1
    callers = support.opened(tmp_path / "home", clock=None)
    caller = support.caller(callers, made["key"])
    assert caller.key.name == "search-team"
    listed = as_json(tmp_path, "list")
    assert listed["schema"] == "freehold.keys/1"
    assert [key["name"] for key in listed["keys"]] == ["search-team", "other"]
    assert listed["keys"][1]["spent_usd"] is None
    run(tmp_path, "revoke", "search-team", "--reason", "left")
    shown = run(tmp_path, "list")
    assert "revoked" in shown.stdout
    everything = listed, shown.stdout, shown.stderr
    for key in (made["key"], plain.strip()):
        assert key not in repr(everything)
        for file in (tmp_path / "home").rglob("*"):
            assert not file.is_file() or key.encode() not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["create", "a", "--budget", "lots"], 2, "no budget"),
        (["create", "a", "--rpm", "-1"], 2, "--rpm"),
        (["create", "a", "--expires", "yesterday"], 2, "no time to come"),
        (["create", "fh-secret"], 2, "does not begin with"),
        (["revoke", "nobody"], 1, "there is no key nobody"),
    ],
)
def test_mistakes_are_explained(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    done = run(tmp_path, *words, code=code)
    assert said in done.stderr
    assert "secret" not in done.stderr
    assert done.stdout == ""
