"""The demo's outcomes follow from its traffic: change what it rests on, and they change as they should."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from freehold.demo import product, show, walk
from freehold.services import deciding
from freehold.services.reporting._parts import usd_range
from freehold.settings import FILE_NAME


def _run(folder: Path, **changes: object) -> dict[str, walk.DemoTask]:
    options = walk.DemoOptions(report=folder / "report.html", keep=folder, **changes)  # type: ignore[arg-type]
    result = walk.run(options, progress=lambda _: None)
    assert (folder / "report.html").stat().st_size > 10_000
    assert len(show.rows(result)) == len(result.tasks)
    assert show.closing(result)
    return {task.name: task for task in result.tasks}


def _by_kind(tasks: dict[str, walk.DemoTask], kind: str) -> walk.DemoTask:
    """The largest task of a kind."""
    return max((t for t in tasks.values() if t.kind == kind), key=lambda t: t.calls)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the usual demo leaves what it made."""
    return tmp_path_factory.mktemp("usual")


@pytest.fixture(scope="module")
def usual(folder: Path) -> dict[str, walk.DemoTask]:
    return _run(folder)


@pytest.mark.slow
def test_the_tasks_have_different_fates(usual: dict[str, walk.DemoTask]) -> None:
    assert len(usual) >= 5
    sorting, extraction, replies = (_by_kind(usual, k) for k in ("classification", "extraction", "free_text"))
    assert sorting.verdict == "own_student"
    assert sorting.owned_share > 0.5
    assert sorting.certificate is not None
    assert sorting.certificate.certified
    assert extraction.owned_share > 0.5
    assert replies.verdict == "keep_renting"
    assert replies.owned_share == 0
    restricted = next(t for t in usual.values() if t.restricted)
    assert restricted.verdict not in ("keep_renting", "rent_smaller", "rent_open_weights")
    assert restricted.owned_share > 0.5
    assert restricted.refused > 0
    assert any(t.certificate is None for t in usual.values()), "one task has too little evidence to learn from"


def test_the_table_says_the_savings_of_the_report(usual: dict[str, walk.DemoTask], folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    saved = [task.monthly_usd for task in usual.values() if task.monthly_usd.saving_low is not None]
    assert saved
    for one in saved:
        assert one.saving_low is not None
        assert one.saving_high is not None
        assert usd_range(Decimal(one.saving_low), Decimal(one.saving_high)) in page


def test_at_a_hundredth_of_the_volume_nothing_is_worth_owning(usual: dict[str, walk.DemoTask], folder: Path) -> None:
    """The same calls and students: only what a recorded call stands for is another."""
    settings = folder / "home" / FILE_NAME
    written, less = (walk._settings(folder, walk.DemoOptions(volume=volume)) for volume in (1.0, 0.01))
    assert written in settings.read_text("utf-8")
    settings.write_text(settings.read_text("utf-8").replace(written, less), "utf-8")
    with walk._home(folder) as home:
        found = deciding.verdicts(home)
    words = {one.task_name: one.word for one in found if not usual[one.task_name].restricted}
    assert len(words) == len(usual) - 1
    assert set(words.values()) <= {"keep_renting", "not_enough_evidence"}
    sorting = _by_kind(usual, "classification")
    rent = next(deciding.rent_usd(one) for one in found if one.task_name == sorting.name)
    assert rent is not None
    assert sorting.monthly_usd.rent is not None
    assert float(rent.mid) == pytest.approx(sorting.monthly_usd.rent / 100, rel=0.01)


@pytest.mark.slow
def test_a_teacher_that_errs_and_no_restriction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MIN_TO_LEARN", 1_000)  # the largest task alone: of the others nothing is said here
    # Of half as many calls a teacher that rarely errs would be learned from well enough to own the largest task.
    tasks = _run(tmp_path, teacher_error=0.3, price=0.1, restricted=False, size=0.5)
    assert not any(t.restricted for t in tasks.values())
    assert not any(t.refused for t in tasks.values())
    sorting = _by_kind(tasks, "classification")
    assert sorting.owned_share == 0
    assert sorting.certificate is not None
    assert not sorting.certificate.certified
    assert sorting.verdict != "own_student"


@pytest.mark.parametrize("kept", [True, False])
def test_a_home_that_is_kept_is_named_with_what_to_type(*, kept: bool) -> None:
    result = walk.DemoResult(1.0, (), 10, 1.0, "report.html", "a folder/home" if kept else "")
    assert any("FREEHOLD_HOME='a folder/home' freehold tasks" in line for line in show.closing(result)) is kept


def test_the_product_states_its_error_rate_and_nothing_of_the_outcome() -> None:
    lines = product.build(product.ProductOptions(size=0.5, teacher_error=0.2, gold_share=1.0))
    judged = [(line["response"]["choices"][0]["message"]["content"], line["gold"]) for line in lines if "gold" in line]
    wrong = sum(json.dumps(a) != json.dumps(g) for a, g in judged) / len(judged)
    assert wrong == pytest.approx(0.2, abs=0.03)
    text = json.dumps(lines).casefold()
    assert not any(word in text for word in ("keep_renting", "own_student", "certificate", "saving"))
    times = [line["started_at"] for line in lines]
    assert times == sorted(times)
    assert max(Counter(line["id"] for line in lines).values()) == 1
