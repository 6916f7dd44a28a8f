"""What if: parsed as people write it, refused with the names there are, and the same as a verdict told so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tests.support import homes

from freehold.errors import FreeholdError, UsageError
from freehold.services import deciding, ingest
from freehold.services.discovering import list_tasks
from freehold.services.home import Home
from freehold.services.what_if import Change, parse, suppose
from freehold.settings import TaskSettings
from freehold.vocabulary import Call, Match


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("price=-50%", Change("price", 0.5, relative=True)),
        ("volume=x3", Change("volume", 3, relative=True)),
        ("volume=10X", Change("volume", 10, relative=True)),
        ("gpu=+40%", Change("gpu_usd_per_hour", 1.4, relative=True)),
        ("engineer=0.5", Change("hosting_engineer_share", 0.5, relative=False)),
        ("coverage=80%", Change("student_coverage", 0.8, relative=False)),
        ("growth=-0.01", Change("monthly_growth", -0.01, relative=False)),
    ],
)
def test_changes_are_read_as_people_write_them(text: str, change: Change) -> None:
    (found,) = parse([text])
    assert (found.name, found.relative) == (change.name, change.relative)
    assert found.amount == pytest.approx(change.amount)


@pytest.mark.parametrize(
    "texts",
    [
        ["price"],
        ["=x3"],
        ["volume=three"],
        ["volume=3"],
        ["gpu=nan"],
        ["gpu=inf"],
        ["volume=x1e300"],
        ["gpu=2", "gpu=3"],
        ["gpu=xx3"],
        ["gpu=x"],
        ["volume=x3%"],
    ],
)
def test_what_is_no_change_is_refused(texts: list[str]) -> None:
    with pytest.raises(UsageError):
        parse(texts)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("what-if")
    made = homes.home(folder / "home")
    ingest.import_log(made, homes.colours_log(folder / "calls.jsonl", 400))
    list_tasks(made)
    return made


def test_a_change_moves_the_bill_and_nothing_is_kept(home: Home) -> None:
    task = home.registry.tasks()[0]
    found = suppose(home, task.name, parse(["price=-50%", "volume=x3"]))
    rent = next(one for one in found.options if one.name.startswith("keep renting"))
    assert rent.before is not None
    assert rent.after is not None
    assert float(rent.after.monthly_usd.mid) == pytest.approx(
        1.5 * float(rent.before.monthly_usd.mid), rel=0.01, abs=2e-4
    )
    assert home.registry.verdicts(task.id) == []


def test_nothing_changed_is_the_same_answer(home: Home) -> None:
    found = suppose(home, home.registry.tasks()[0].name, parse(["volume=x1"]))
    assert not found.changed
    assert all(one.before == one.after for one in found.options)


def test_a_large_enough_volume_changes_the_answer(home: Home) -> None:
    task = next(task for task in home.registry.tasks() if task.kind == "classification")
    found = suppose(home, task.name, parse(["volume=x10000000", "coverage=0.9"]))
    assert found.changed
    assert (found.before.word, found.after.word) == ("keep_renting", "own_student")
    assert {one.name: one.after for one in found.changes} == {"volume": 1e7, "student_coverage": 0.9}


def test_another_way_of_renting_is_a_change_and_is_named(tmp_path: Path) -> None:
    made = homes.home(tmp_path / "home")
    ingest.import_log(made, homes.colours_log(tmp_path / "calls.jsonl", 400))
    list_tasks(made)
    task = next(task.name for task in made.registry.tasks() if task.kind == "classification")
    settings = msgspec.structs.replace(made.settings, tasks={task: TaskSettings(can_wait=True)})
    with Home(made.loaded._replace(settings=settings)) as home:
        found = suppose(home, task, parse(["volume=x20000", "coverage=0"]))
    assert (found.before.word, found.after.word) == ("keep_renting", "keep_renting")
    assert (found.before.option, found.after.option) == (
        "keep renting openai/gpt-4.1",
        "keep renting openai/gpt-4.1, in batches",
    )
    assert found.changed
    assert f"{found.before.option} becomes {found.after.option}" in found.answer


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gpuu=2", "student_coverage"),
        ("coverage=1.5", "at most 1"),
        ("residual_share=3", "at most 1"),
        ("gpu=40%", "gpu_usd_per_hour=+40%"),
    ],
)
def test_unknown_names_and_senseless_values_are_refused_with_what_there_is(home: Home, text: str, says: str) -> None:
    with pytest.raises(FreeholdError) as refused:
        suppose(home, home.registry.tasks()[0].name, parse([text]))
    assert says in str(refused.value)


def test_a_task_asked_for_alone_is_the_same_question_and_other_tasks_calls_are_not_gone_through(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime(2026, 4, 1, tzinfo=UTC)
    among_all = deciding.questions(home, as_of=at)
    assert len(among_all) > 1
    gone_through: list[Call] = []
    recognise = home.recognise

    def counting(calls: Iterable[Call]) -> Iterator[tuple[Call, Match | None]]:
        for call, match in recognise(calls):
            gone_through.append(call)
            yield call, match

    monkeypatch.setattr(home, "recognise", counting)
    for one in among_all:
        gone_through.clear()
        (alone,) = deciding.questions(home, task_name=one.task.name, as_of=at)
        assert alone._replace(glance=one.glance) == one
        assert alone.glance.glanced() == one.glance.glanced()
        assert len(gone_through) == one.workload.calls
