"""A contract from the command line: reviewed, signed, kept in force while a newer one waits, and checked against."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support import homes
from tests.support.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def later_log(path: Path, count: int, *, model: str, answers: list[str]) -> Path:
    """Calls of the same task, two months later."""
    rng = random.Random(5)
    system = "Name the colour that the phrase speaks of. Answer with one of: " + ", ".join(homes.COLOURS)
    lines: list[dict[str, Any]] = []
    for n in range(count):
        at = homes.START + timedelta(days=60, minutes=n)
        made = homes.line(
            f"{model}-{n}",
            system,
            homes.colour_line(n, rng)["request"]["messages"][1]["content"],
            answers[n % len(answers)],
            at,
        )
        made["request"]["model"] = made["response"]["model"] = model
        lines.append(made)
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), "utf-8")
    return path


def test_a_contract_is_reviewed_signed_and_stays_in_force_while_a_newer_one_waits(shell: Shell) -> None:
    shell.run("import", str(homes.colours_log(shell.folder / "calls.jsonl", 300, essays=0)))
    name = shell.json("tasks")["tasks"][0]["name"]
    first = shell.json("contract", name)
    assert (first["schema"], first["in_force"], first["contract"]["form"]) == ("freehold.contract/1", True, "label")
    labels = next(row for row in first["clauses"] if row["name"] == "labels")
    assert (labels["n"], labels["kept"], labels["share"]) == (300, 300, 1.0)
    assert 0.0099 < labels["breach_upper"] < 0.01, "1 - 0.05 ** (1 / 300)"
    assert (labels["unseen_share"], labels["values_in_all"]) == (0.0, 4.0)
    said = shell.run("contract", name, "--sign", "Rosa").stdout
    assert "signed by Rosa" in said
    assert "one of 4 labels: amber, blue, green, red" in said

    others = [*homes.COLOURS, "violet"]
    shell.run("import", str(later_log(shell.folder / "later.jsonl", 200, model="gpt-4o", answers=others)))
    checked = shell.json("contract", name, "--check")
    assert (checked["schema"], checked["answers"], checked["in_breach"]) == ("freehold.contract_check/1", 200, 40)
    (breach,) = checked["breaches"]
    assert (breach["clause"], breach["model"], breach["broken"], breach["n"]) == ("labels", "gpt-4o", 40, 200)
    assert (breach["first_call"], breach["last_call"]) == ("gpt-4o-4", "gpt-4o-199")
    assert breach["interval"]["low"] < 0.2 < breach["interval"]["high"]
    assert shell.json("contract", name, "--check") == checked, "nothing is judged twice"

    assert f"{name}: 40 of 200 later answers broke their contract" in shell.run("tasks", "--refresh").stdout
    waiting = shell.json("contract", name)
    assert waiting["contract"]["version"] == first["contract"]["version"]
    assert waiting["proposed"]["version"] != first["contract"]["version"]
    assert [(d["kind"], d["text"]) for d in waiting["differences"]] == [("loosened", "also violet")]
    assert "waits for a signature" in shell.run("contract", name).stdout
    assert "also violet" in shell.run("contract", name, "--diff").stdout

    assert shell.json("contract", name, "--sign", "Bea")["contract"]["signed_by"] == "Bea"
    rows = shell.json("contract", name, "--versions")["versions"]
    assert [(r["signed_by"], r["in_force"]) for r in rows] == [("Rosa", False), ("Bea", True)]
    old = shell.json("contract", name, "--version", first["contract"]["version"])
    assert (old["in_force"], old["contract"]["signed_by"]) == (False, "Rosa")
    assert "has no contract c0" in shell.run("contract", name, "--version", "c0", code=1).stderr
    after = shell.json("contract", name, "--check")
    assert (after["version"], after["answers"]) == (waiting["proposed"]["version"], 0), "learned from them all"
    assert "nothing to compare" in shell.run("contract", name, "--diff").stdout
