"""`freehold rehearse` as a person types it, right and wrong."""

from __future__ import annotations

import pytest
from tests.support.rehearsals import made, played_from, recording
from tests.support.shell import Shell

_TOML = """
[providers.other]
kind = "recorded"
file = "{file}"
[providers.paid]
kind = "openai"
base_url = "http://127.0.0.1:9/v1"
api_key_env = "PAID_KEY"
[prices."paid/*"]
input_usd_per_mtok = 1
output_usd_per_mtok = 4
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, str]:
    """A home with a task and a recording of another model, and the task's name."""
    folder = tmp_path_factory.mktemp("rehearse")
    with made(folder, played_from(folder / "small-1.jsonl"), calls=120) as (home, task):
        file = recording(folder, lambda number: number % 10 == 0)
        (home.path / "freehold.toml").write_text(_TOML.format(file=file))
        name, path = task.name, home.path
    return Shell(path, home=path), name


def test_a_person_reads_what_is_as_good_what_differs_and_what_to_do(place: tuple[Shell, str]) -> None:
    shell, task = place
    done = shell.run("rehearse", task, "other/small-1", "--calls", "100")
    for said in ("a recording stood in", "as good as recorded", "latency P95", "Not good enough", "100 answers."):
        assert said in done.stdout
    assert f"freehold verdict {task}" in done.stderr


def test_machines_read_the_same_and_a_plan(place: tuple[Shell, str], monkeypatch: pytest.MonkeyPatch) -> None:
    shell, task = place
    found = shell.json("rehearse", task, "other/small-1", "--calls", "90")
    assert found["schema"] == "freehold.rehearsal/1"
    assert found["rehearsal"]["agreed"]["n"] == 90
    assert found["judged"]["worse_upper"] > 0.05
    monkeypatch.setitem(shell.env, "PAID_KEY", "k")
    plan = shell.json("rehearse", task, "paid/x", "--dry-run")
    assert plan["schema"] == "freehold.rehearsal_plan/1"
    assert 0 < float(plan["plan"]["expected_usd"]) < float(plan["plan"]["worst_usd"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nobody/x",), 1, "no provider 'nobody'"),
        (("paid/x",), 4, "export PAID_KEY"),
        (("other/small-1", "--budget", "much"), 2, "no amount of US dollars"),
        (("other/small-1", "--calls", "0"), 2, "at least 1"),
        (("other/small-1", "--against", "silver"), 2, "recorded or"),
        (("other/never",), 1, "recording_missing"),
    ],
)
def test_wrong_orders_end_with_their_code_and_a_hint(
    place: tuple[Shell, str], words: tuple[str, ...], code: int, said: str
) -> None:
    shell, task = place
    done = shell.run("rehearse", task, *words, code=code)
    assert done.stdout == ""
    assert said in done.stderr
    assert "next:" in done.stderr


def test_a_budget_of_nothing_is_refused_before_anything_is_sent(
    place: tuple[Shell, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell, task = place
    monkeypatch.setitem(shell.env, "PAID_KEY", "k")
    assert "carries no call" in shell.run("rehearse", task, "paid/x", "--budget", "0", code=3).stderr
