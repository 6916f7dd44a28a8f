"""Savings and SQL, over a real ledger and through the command line."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support import homes
from typer.testing import CliRunner

from freehold.cli._app import app
from freehold.errors import UsageError
from freehold.ledger import Ledger
from freehold.services import asking, discovering, ingest, questioning
from freehold.services.home import Home
from freehold.services.windows import Window
from freehold.vocabulary import SESSION_TAG, Call, Usage

START = datetime(2026, 11, 1, tzinfo=UTC)
START_US = round(START.timestamp() * 1e6)
CALLS = 60


def lines() -> list[dict[str, Any]]:
    """Sorting and then answering, in sessions of two calls; the instructions are long enough to be cached."""
    rng = random.Random(5)
    made: list[dict[str, Any]] = []
    rules = " ".join(f"Rule {n}: a colour of rule {n + 1} comes before one of rule {n}." for n in range(130))
    for n in range(CALLS):
        at = START + timedelta(minutes=2 * n)
        colour = rng.choice(["red", "green", "blue"])
        sort = homes.line(f"s{n}", f"Say which colour is meant. {rules}", f"the {colour} one, number {n}", colour, at)
        later = at + timedelta(seconds=3)
        answer = homes.line(f"a{n}", "Write a friendly line about it.", f"{colour} {n}", f"How {colour}, {n}!", later)
        for one in (sort, answer):
            one |= {"provider": "openai", "tags": {SESSION_TAG: f"visit {n}"}, "latency_ms": 1000}
            one["request"]["model"] = one["response"]["model"] = "gpt-4.1"
            words = json.dumps(one["request"]["messages"])
            one["response"]["usage"] = {"prompt_tokens": len(words) // 4, "completion_tokens": 5}
            made.append(one)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that has seen the calls and knows their tasks."""
    folder = tmp_path_factory.mktemp("asked")
    with homes.home(folder / "home") as home:
        ingest.import_log(home, homes.write_log(folder / "log.jsonl", lines()))
        discovering.list_tasks(home)
    return folder / "home"


@pytest.fixture
def home(folder: Path) -> Iterator[Home]:
    with homes.home(folder) as home:
        yield home


def run(folder: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), env={"FREEHOLD_HOME": str(folder)})


def test_savings_rest_on_all_calls_and_their_exact_cost(home: Home):
    found = questioning.savings(home, Window())
    assert (found.looked.calls, found.looked.of_calls, found.unpriced, found.without_bodies) == (120, 120, 0, 0)
    (cached,) = [row for row in found.caching if row.eligible]
    assert cached.calls == CALLS
    assert 0.8 < cached.cacheable_tokens / cached.prompt_tokens < 1
    assert Decimal(0) < cached.saved_usd < found.spent_usd  # type: ignore[operator]
    month = found.monthly(cached.saved_usd)
    assert month is not None
    assert month > cached.saved_usd * 360  # type: ignore[operator] -- two hours of a month


def test_batches_see_that_the_first_of_two_calls_is_waited_for(home: Home):
    waited = {row.followed: row for row in questioning.savings(home, Window()).batching}
    assert set(waited) == {0, CALLS}
    assert (waited[0].could, waited[CALLS].could) == ("yes", "no")
    assert waited[0].saved_usd == waited[0].usd / 2  # as OpenAI states for its batches


def test_a_window_and_a_limit_are_kept_and_said(home: Home):
    hour = Window(START_US, START_US + 60 * 60_000_000)
    assert questioning.savings(home, hour).looked.calls == 60
    newest = questioning.savings(home, Window(), most=10).looked
    assert (newest.calls, newest.of_calls) == (10, 120)
    assert newest.since >= "2026-11-01T01:50"


def test_a_log_without_bodies_is_asked_what_it_can_tell(tmp_path: Path):
    with homes.home(tmp_path) as home:
        usage = Usage(10, output_tokens=5)
        home.ledger.append(
            Call(f"c{n}", START_US + n, 1.0, "openai", "gpt-4.1", b"", b"", usage=usage) for n in range(9)
        )
        found = questioning.savings(home, Window())
        assert (found.without_bodies, found.caching, found.waste) == (9, (), ())
        assert found.spent_usd > 0


def test_an_empty_ledger_is_no_error(tmp_path: Path):
    with homes.home(tmp_path) as home:
        assert questioning.savings(home, Window()).looked.calls == 0
    result = run(tmp_path, "savings")
    assert (result.exit_code, "no call" in result.output) == (0, True)


def test_the_command_line_says_it_in_tables_and_json(folder: Path):
    told = run(folder, "savings")
    assert told.exit_code == 0
    assert "120 calls" in told.output
    found = json.loads(run(folder, "savings", "--json").stdout)
    assert found["schema"] == "freehold.savings/1"
    assert found["looked"]["calls"] == 120


@pytest.mark.parametrize("since", ["yesterday", "7 parsecs", "-3d"])
def test_a_time_that_is_none_is_a_usage_error(folder: Path, since: str):
    result = run(folder, "savings", f"--since={since}")
    assert result.exit_code != 0


def test_sql_answers_and_is_cut_where_it_is_long(home: Home, folder: Path):
    found = asking.sql(home, "SELECT id FROM calls ORDER BY id;", most=5)
    assert (len(found.rows), found.cut, found.columns) == (5, True, ("id",))
    told = run(folder, "sql", "--csv", "SELECT outcome, count(*) AS n FROM calls GROUP BY 1")
    assert told.stdout == "outcome,n\nok,120\n"


def test_what_there_is_to_ask_is_listed_and_each_column_is_documented(home: Home):
    listed = {view: columns.split(", ") for view, columns in asking.sql(home, asking.VIEWS).rows}
    assert {"calls", "attempts", "feedback", "recognised_calls", "rollup_calls", "rollup_users"} <= set(listed)
    assert not [view for view in listed if view.startswith("_")]
    described = (Path(__file__).parents[2] / "docs/measuring.md").read_text("utf-8")
    names = set(listed) | {column for columns in listed.values() for column in columns}
    assert [name for name in sorted(names) if f"`{name}`" not in described] == []


@pytest.mark.parametrize(
    "query",
    [
        "DROP VIEW calls",
        "SELECT 1; SELECT 2",
        "COPY calls TO 'x.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "ATTACH 'x.db'",
        "SELECT nothing_such FROM calls",
        "INSTALL httpfs",
        " ; ",
    ],
)
def test_sql_can_do_nothing_but_read(home: Home, query: str):
    before = home.ledger.count()
    with pytest.raises(UsageError):
        asking.sql(home, query)
    assert Ledger(home.path).count() == before
