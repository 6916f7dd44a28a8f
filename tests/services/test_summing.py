"""Sums by task are those of the tasks that were found, wherever the calls lie and whatever a person calls the tasks."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import task_mixes as made
from tests.support.mixes import mix

from freehold.errors import UsageError
from freehold.ledger import export_calls
from freehold.ledger._expire import Keep, Rules
from freehold.ledger._rollups import RECIPE
from freehold.services import housekeeping, ingest
from freehold.services.discovering import find_tasks, list_tasks
from freehold.services.home import Home
from freehold.services.showing import show
from freehold.services.summing import sums
from freehold.settings import Loaded, Settings
from freehold.vocabulary import Call

DAY_US = 86_400_000_000


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(Loaded(Settings(), tmp_path / "home", {})) as opened:
        yield opened


def import_log(home: Home, seed: int, n: int = 40, later_us: int = 0) -> None:
    """Import a log of three tasks and some calls of none, in which no call says what it is."""
    rng = random.Random(seed)
    calls = mix(
        made.sorted_in_german(rng, n),
        made.extracted_in_japanese(rng, n),
        made.changed_midway(rng, 2 * n),
        made.junk(rng, 3),
    )
    for call in calls:
        call.id, call.tags = f"{seed}-{call.id}", {}
        call.started_at_us += later_us
    path = home.path.parent / f"{seed}.jsonl"
    with path.open("wb") as file:
        export_calls(calls, file)
    ingest.import_logs(home, [path])


def by_task(home: Home, table: str = "attempts", **more: Any) -> dict[str, int]:
    return {row[0]: row[1] for row in sums(home, table, ("task",), **more).rows}


def listed(home: Home) -> dict[str, int]:
    """What `freehold tasks` says; "" for calls that recur in no task."""
    listing = list_tasks(home)
    rest = {"": listing.unrecognised} if listing.unrecognised else {}
    return {row.name: row.calls for row in listing.tasks if row.calls} | rest


def by_id(home: Home) -> dict[str, int]:
    """The ledger's own answer, which knows no names."""
    return {row[0]: row[1] for row in home.ledger.rollup("attempts", by=("task",)).rows if row[0]}


def test_an_imported_log_is_summed_by_task(home: Home) -> None:
    import_log(home, 1)
    assert by_task(home) == {"": 163}
    tasks = find_tasks(home)
    assert by_task(home) == listed(home)
    assert sum(by_task(home).values()) == 163
    assert by_id(home) == {task.id: task.n_calls for task in tasks}
    home.ledger.seal(remove_after_s=0)
    assert by_task(Home(home.loaded)) == listed(home)

    import_log(home, 2, 10)
    assert list(listed(home).values()) == [100, 50, 50, 6]
    assert by_task(home) == listed(home)
    for table in ("calls", "attempts"):
        assert by_task(home, table) == listed(home)
    total = [row for row in sums(home, "latency", ("task", "phase")).rows if row[1] == "total"]
    assert {row[0]: row[2] for row in total} == listed(home)
    assert all(row[3] == pytest.approx(400, rel=0.03) for row in total)


def test_compaction_and_expiry_keep_the_tasks_of_calls(home: Home) -> None:
    import_log(home, 3)
    find_tasks(home)
    import_log(home, 4, 10)
    find_tasks(home)
    before = by_task(home)
    segments = home.ledger._manifest.listing().segments
    home.ledger.seal(remove_after_s=0)  # a day that is over comes down to one segment
    assert len(home.ledger._manifest.listing().segments) < len(segments)
    assert by_task(home) == before
    assert by_task(Home(home.loaded)) == before
    find_tasks(home)
    assert by_task(home) == before == listed(home)
    rules = Rules("all", 0, False, lambda call, _: Keep(0, 2**62, call))
    assert home.ledger.expire(rules, 2**61).contents == 206
    assert by_task(home) == before
    find_tasks(home)
    assert by_task(home) == before == listed(home)


def test_sums_follow_renames_merges_and_splits_without_being_made_again(home: Home) -> None:
    import_log(home, 5)
    find_tasks(home)
    before = by_task(home)
    one, other, third = (row.name for row in list_tasks(home).tasks)
    folders = rollups(home)
    home.registry.rename(one, "mine", by="test")
    assert by_task(home) == {**{name: n for name, n in before.items() if name != one}, "mine": before[one]}
    home.registry.merge(other, (third,), by="test")
    assert by_task(home) == listed(home) == {"mine": 80, other: 80, "": 3}
    versions = next(task for task in home.registry.tasks() if task.name == "mine").templates
    assert len(versions) == 2
    home.registry.split("mine", [versions[0].id], "apart", by="test")
    assert by_task(home) == listed(home)
    assert by_task(home)["apart"] == 40
    assert by_task(home, where={"task": ["apart", other]}) == {"apart": 40, other: 80}
    told = {row.name: (row.calls, row.versions, row.why) for row in list_tasks(home).tasks}
    for name, (calls, versions, why) in told.items():
        assert why.startswith(f"{calls} calls share")
        assert f"; {versions} version" in why
        assert show(home, name).why == why
    p50 = sums(home, "latency", ("phase",), where={"task": ["apart"]}, quantiles=(0.5,)).rows
    assert [row[:2] for row in p50] == [("total", 40)]
    assert rollups(home) == folders


def test_what_was_recorded_stays_and_counts_as_the_task_it_names_today(home: Home) -> None:
    import_log(home, 6)
    first = find_tasks(home)[0]
    declared = [Call(f"d{i}", 1_790_000_000_000_000, 5.0, "openai", "m", b"", b"", task=first.name) for i in range(7)]
    strange = [Call(f"s{i}", 1_790_000_000_000_000, 5.0, "openai", "m", b"", b"", task="never seen") for i in range(4)]
    known = [Call(f"t{i}", 1_790_000_000_000_000, 5.0, "openai", "m", b"", b"") for i in range(5)]
    for call in known:
        call.template = first.templates[0].id
    home.ledger.append([*declared, *strange, *known])
    hot = by_task(home)
    assert hot[first.name] == first.n_calls + 7 + 5
    assert hot["never seen"] == 4
    find_tasks(home)
    assert by_task(home) == hot
    home.registry.rename(first.name, "renamed", by="test")
    assert by_task(home)["renamed"] == first.n_calls + 7 + 5
    raw = home.ledger.rollup("calls", ("task", "recognised"), where={"task": [first.name]}).rows
    assert [row[:3] for row in raw] == [(first.name, "", 7)]


def test_sql_tells_what_calls_were_recognised_as(home: Home) -> None:
    assert home.ledger.query("SELECT * FROM recognised_calls").rows == ()
    import_log(home, 12)
    find_tasks(home)
    found = home.ledger.query("SELECT id, task, template FROM recognised_calls").rows
    matched = {call.id: (match.task_id, match.template_id) for call, match in home.recognised() if match is not None}
    assert {row[0]: row[1:] for row in found} == matched
    assert len(found) == len(matched) == 160
    sql = "SELECT r.task, count(*) FROM calls JOIN recognised_calls r USING (id) WHERE calls.task = '' GROUP BY ALL"
    assert dict(home.ledger.query(sql).rows) == by_id(home)
    assert "recognised" not in home.ledger.query("SELECT * FROM attempts LIMIT 1").columns
    assert dict(
        home.ledger.query("SELECT task, sum(attempts) FROM rollup_attempts WHERE recognised <> '' GROUP BY 1").rows
    ) == by_id(home)


def test_calls_without_bodies_are_of_the_task_that_their_log_tells(home: Home) -> None:
    home.ledger.append(
        Call(f"b{i}", 1_790_000_000_000_000 + i, 5.0, "openai", "m-a", b"", b"", tags={"prompt": "checkout"})
        for i in range(30)
    )
    home.ledger.append(Call(f"r{i}", 1_790_000_000_000_000, 5.0, "openai", "m-b", b"", b"") for i in range(2))
    assert listed(home) == by_task(home) == {"checkout": 30, "": 2}


def rollups(home: Home) -> set[str]:
    return {path.name for path in (home.path / f"ledger/rollups/{RECIPE}").iterdir()}


def test_rollups_are_made_again_where_marks_changed_and_only_there(home: Home) -> None:
    import_log(home, 7)
    find_tasks(home)
    import_log(home, 8, 10, DAY_US)
    home.ledger.seal(remove_after_s=0)
    assert home.ledger.sum_up() == 2
    plain, marked = sorted(rollups(home), key=lambda name: "." in name)
    find_tasks(home)
    assert home.ledger.sum_up() == 1
    assert {plain, marked} < rollups(home)
    find_tasks(home, anew=True)  # finds the same
    assert housekeeping.once(home.path, "sum up")
    assert home.ledger.sum_up() == 0
    old = home.path / f"ledger/rollups/{RECIPE}" / plain
    os.utime(old, (0, 0))
    home.ledger.seal()
    assert plain not in rollups(home)
    assert len(rollups(home)) == 2
    assert by_task(home) == listed(home)


def test_a_process_that_has_answered_sees_marks_that_come_later(home: Home) -> None:
    import_log(home, 9)
    assert by_task(home) == {"": 163}
    with Home(home.loaded) as other:
        find_tasks(other)
    assert by_task(home) == listed(home) != {"": 163}
    home.ledger.recognised.forget()
    assert by_task(home) == {"": 163}


def test_marks_that_are_damaged_cost_no_sums(home: Home) -> None:
    import_log(home, 10)
    find_tasks(home)
    for path in (home.path / "ledger/recognised").iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    assert by_task(home) == {"": 163}


def test_a_bounded_home_sums_what_it_sees(home: Home) -> None:
    import_log(home, 11)
    find_tasks(home)
    until = 1_790_000_000_000_000 // 1_800_000_000 * 1_800_000_000 + 1_800_000_000
    seen = by_task(Home(home.loaded, until_us=until), "calls")
    assert 0 < sum(seen.values()) == sum(1 for call in home.calls() if call.started_at_us < until) < 163
    with pytest.raises(UsageError):
        by_task(Home(home.loaded, until_us=until + 1))
