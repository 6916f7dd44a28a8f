"""Sums kept between commands: the same answer as without them, and none once anything they depend on has changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from tests.support import homes

from freehold.economics.capacity import sizing
from freehold.services import _stored, deciding, erasing, ingest, kept_questions, kept_sums
from freehold.services.discovering import list_tasks
from freehold.services.home import Home
from freehold.services.what_if import parse, suppose
from freehold.settings import PriceSettings, TaskSettings
from freehold.vocabulary import END_USER_TAG

AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = homes.home(tmp_path / "home")
    ingest.import_log(made, homes.colours_log(tmp_path / "calls.jsonl", 300))
    list_tasks(made)
    return made


def _task(home: Home) -> str:
    return next(task.name for task in home.registry.tasks() if task.kind == "classification")


def _passes(home: Home, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts how often the calls are gone through."""
    passes: list[int] = []
    real = deciding._gather

    def counted(*args: object, **named: object) -> object:
        passes.append(1)
        return real(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(deciding, "_gather", counted)
    return passes


def test_what_is_kept_gives_the_same_answer_and_no_second_pass(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = _passes(home, monkeypatch)
    changes = parse(["price=-50%", "volume=x30"])
    first = suppose(home, _task(home), changes, AT)
    again = suppose(home, _task(home), changes, AT)
    assert (first, len(passes)) == (again, 1)
    kept_sums.forget(home)
    assert suppose(home, _task(home), changes, AT) == first
    one, whole = deciding.question(home, _task(home), AT), deciding.questions(home, task_name=_task(home), as_of=AT)[0]
    assert one._replace(glance=whole.glance) == whole


def test_a_verdict_leaves_them_for_the_next_question(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    deciding.verdicts(home, as_of=AT)
    passes = _passes(home, monkeypatch)
    deciding.question(home, _task(home), AT)
    assert not passes


def _one_more(home: Home) -> None:
    call = next(home.calls())
    home.ledger.append([msgspec.structs.replace(call, id="another", started_at_us=call.started_at_us + 1)])


def _sealed(home: Home) -> None:
    home.ledger.seal()


def _gold(home: Home) -> None:
    home.ledger.attach_gold(next(home.calls()).id, "blue")


def _renamed(home: Home) -> None:
    home.registry.rename(_task(home), "another-name", by="a test")


def _contract(home: Home) -> None:
    home.settings = msgspec.structs.replace(home.settings, prices={"gpt-4.1": PriceSettings(discount=Decimal("0.5"))})
    del home.prices


@pytest.mark.parametrize("change", [_one_more, _gold, _renamed, _contract])
def test_any_change_takes_another_pass(
    home: Home, monkeypatch: pytest.MonkeyPatch, change: Callable[[Home], None]
) -> None:
    deciding.question(home, _task(home), AT)
    passes = _passes(home, monkeypatch)
    before = kept_sums.key(home)
    change(home)
    assert kept_sums.key(home) != before
    deciding.question(home, _task(home), AT)
    assert passes


def test_sealing_changes_the_state_and_no_sum(home: Home) -> None:
    before, state = deciding.question(home, _task(home), AT), home.ledger.state()
    _one_more(home)
    assert home.ledger.state() != state
    more = deciding.question(home, _task(home), AT)
    assert more.workload.calls == before.workload.calls + 1
    _sealed(home)
    assert deciding.question(home, _task(home), AT).workload == more.workload


def test_gold_that_is_replaced_is_seen(home: Home) -> None:
    call_id = next(home.calls()).id
    home.ledger.attach_gold(call_id, "blue")
    state = home.ledger.state()
    assert home.ledger.state() == state
    home.ledger.attach_gold(call_id, "teal")
    assert home.ledger.state() != state


def test_erasure_removes_them(home: Home) -> None:
    call = next(home.calls())
    home.ledger.append(
        [
            msgspec.structs.replace(
                call, id="erika-1", started_at_us=call.started_at_us + 1, tags={END_USER_TAG: "erika"}
            )
        ]
    )
    deciding.question(home, _task(home), AT)
    state = home.ledger.state()
    assert list((home.path / _stored.FOLDER).iterdir())
    assert b"erika" not in b"".join(file.read_bytes() for file in (home.path / _stored.FOLDER).iterdir())
    erasing.erase(home, user="erika", by="a test")
    assert not (home.path / _stored.FOLDER).exists()
    assert home.ledger.state() != state


def test_a_damaged_file_is_no_answer(home: Home) -> None:
    whole = deciding.question(home, _task(home), AT)
    changes = parse(["volume=x30"])
    answer = suppose(home, _task(home), changes, AT)
    for damage in (lambda _: b"", lambda _: b"\xff" * 20, lambda content: content[:-3]):
        files = list((home.path / _stored.FOLDER).iterdir())
        assert len(files) == 3, "sums, question, fleets"
        for file in files:
            file.write_bytes(damage(file.read_bytes()))
        assert deciding.question(home, _task(home), AT).workload == whole.workload
        assert suppose(home, _task(home), changes, AT) == answer


def test_a_bounded_home_keeps_nothing(home: Home) -> None:
    bounded = Home(home.loaded, until_us=next(home.calls()).started_at_us + 1)
    task = home.task(_task(home))
    deciding.question(home, _task(home), AT)
    assert kept_sums.recall(bounded, task, kept_sums.key(home)) is None


def _questions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts how often a question is put together anew."""
    asked: list[int] = []
    real = deciding.question

    def counted(*args: object) -> object:
        asked.append(1)
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(deciding, "question", counted)
    return asked


def test_a_kept_question_and_kept_fleets_give_the_same_answer(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _questions(monkeypatch)
    changes = parse(["volume=x30000", "coverage=0.9"])
    first = suppose(home, _task(home), changes, AT)
    sizing.forget()
    again = suppose(home, _task(home), changes, AT)
    assert (first, len(asked)) == (again, 1)
    kept_sums.forget(home)
    sizing.forget()
    assert suppose(home, _task(home), changes, AT) == first
    with Home(home.loaded) as reopened:
        assert suppose(reopened, _task(home), changes, AT) == first


def _declared(home: Home) -> None:
    tasks = {_task(home): TaskSettings(can_wait=True)}
    home.settings = msgspec.structs.replace(home.settings, tasks=tasks)


def _retires(home: Home) -> None:
    (home.path / "retirements.toml").write_text(
        '[[retirement]]\nprovider = "openai"\nmodels = ["gpt-4.1"]\nsource = "a letter"\nshutdown = 2027-01-01\n'
    )


def _paused(home: Home) -> None:
    home.registry.pause(by="a test", reason="a test")


@pytest.mark.parametrize("change", [_one_more, _gold, _declared, _retires, _paused])
def test_a_question_is_put_together_anew_after_any_change(
    home: Home, monkeypatch: pytest.MonkeyPatch, change: Callable[[Home], None]
) -> None:
    asked = _questions(monkeypatch)
    changes, name = parse(["volume=x3"]), _task(home)
    suppose(home, name, changes, AT)
    change(home)
    suppose(home, name, changes, AT)
    assert len(asked) == 2
    suppose(home, name, changes, AT)
    assert len(asked) == 2


def test_another_day_is_another_question_and_a_verdict_that_is_noted_is_none(home: Home) -> None:
    task, today = home.registry.tasks()[0], AT.date()
    key = kept_questions.key(home, today)
    deciding.verdicts(home, task_name=task.name, as_of=AT)
    assert kept_questions.key(home, today) == key
    assert kept_questions.key(home, date(2026, 11, 2)) != key


def test_a_kept_question_holds_no_prompt(home: Home) -> None:
    deciding.question(home, _task(home), AT)
    kept = kept_questions.recall(home, _task(home), kept_questions.key(home, AT.date()), AT)
    assert kept is not None
    assert kept.task.templates == ()
    assert b"Name the colour" not in b"".join(one.read_bytes() for one in (home.path / _stored.FOLDER).iterdir())


def test_a_registry_that_cannot_be_read_keeps_no_question(home: Home) -> None:
    assert kept_questions.key(Home(home.loaded._replace(home=home.path / "nowhere")), AT.date()) == ""
