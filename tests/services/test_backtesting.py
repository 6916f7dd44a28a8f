"""A backtest learns on the earlier part only, and says what owning would have done on the later."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support import homes

from freehold.errors import BadLog, MissingPrerequisite
from freehold.services import wording
from freehold.services.backtesting import Backtest, BacktestOptions, backtest


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "unused"))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    log = homes.colours_log(tmp_path_factory.mktemp("backtest") / "calls.jsonl", 900, essays=30)
    return backtest(log, None, BacktestOptions(alpha=0.1, delta=0.1))


def test_a_learnable_task_keeps_its_promise_on_the_later_calls(result: Backtest) -> None:
    task = next(t for t in result.tasks if t.kind == "classification")
    assert task.certificate is not None
    assert task.certificate.certified
    assert task.after is not None
    assert task.after.coverage > 0.5
    assert task.after.risk is not None
    assert task.after.risk_low <= task.certificate.alpha
    assert task.after.saved_usd is not None
    assert task.after.saved_usd > 0
    assert task.verdict == "keep_renting"


def test_every_call_is_on_one_side(result: Backtest) -> None:
    assert result.calls_before + result.calls_after == 930
    assert sum(t.calls_before for t in result.tasks) <= result.calls_before
    assert sum(t.calls_after for t in result.tasks) + result.unrecognised_after == result.calls_after


def test_a_task_with_too_few_calls_says_so(result: Backtest) -> None:
    essays = next(t for t in result.tasks if t.kind != "classification")
    assert essays.certificate is None
    assert essays.after is None
    assert "usable calls" in essays.why


def test_it_reads_well(result: Backtest) -> None:
    text = "\n".join(wording.backtest(result))
    assert "judged once" in text
    assert "Every promise held" in text


def test_a_later_log_whose_answers_changed_shows_a_broken_promise(tmp_path: Path) -> None:
    """Nothing flows back from the later log: its answers are all another label, and the promise stays what it was."""
    earlier = homes.colours_log(tmp_path / "earlier.jsonl", 600, essays=0)
    later = homes.colours_log(tmp_path / "later.jsonl", 200, essays=0, seed=2)
    lines = [json.loads(line) for line in later.read_text("utf-8").splitlines()]
    for n, line in enumerate(lines):
        line["id"] = f"later-{n}"
        line["response"]["choices"][0]["message"]["content"] = "green"
    homes.write_log(later, lines)
    made = backtest(earlier, later, BacktestOptions(alpha=0.1, delta=0.1))
    (task,) = made.tasks
    assert task.certificate is not None
    assert task.certificate.certified
    assert task.after is not None
    assert task.after.risk_low > task.certificate.alpha
    assert "The promise was broken" in "\n".join(wording.backtest(made))


def test_logs_that_are_none_are_refused(tmp_path: Path) -> None:
    empty, prose = tmp_path / "empty.jsonl", tmp_path / "prose.jsonl"
    empty.write_text("")
    prose.write_text("Dear diary,\n" * 20)
    with pytest.raises((BadLog, MissingPrerequisite)):
        backtest(empty, None, BacktestOptions())
    with pytest.raises(BadLog):
        backtest(prose, None, BacktestOptions())
