"""One task all the way round, through the services that the commands call."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from tests.support import homes

from freehold.errors import BundleRefused, GateRefused, MissingPrerequisite, NotFound, UsageError
from freehold.registry import routes
from freehold.services import bundling, certifying, deciding, discovering, ingest, listing, promoting, training
from freehold.services.home import Home
from freehold.settings import Loaded, Settings, TaskSettings, WorkloadSettings
from freehold.students import bundle, runtime


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Generator[Home]:
    """A home whose narrow task has been trained; tests add to it and take nothing away."""
    folder = tmp_path_factory.mktemp("walked")
    log = homes.colours_log(folder / "calls.jsonl")
    with homes.home(folder / "home") as home:
        ingest.import_log(home, log)
        discovering.find_tasks(home)
        training.train(home, narrow(home))
        yield home


def narrow(home: Home):
    """The classification task, whatever it is called."""
    return next(task for task in home.registry.tasks() if task.kind == "classification")


def test_both_tasks_are_found_and_listed(walked: Home) -> None:
    found = discovering.list_tasks(walked)
    assert found.calls == 640
    assert [row.calls for row in found.tasks] == [600, 40]
    assert found.unrecognised == 0
    assert found.tasks[0].kind == "classification"


def test_calls_are_listed_with_their_task(walked: Home) -> None:
    rows = list(listing.calls(walked, task_name=narrow(walked).name))
    assert len(rows) == 600
    assert {row.task_id for row in rows} == {narrow(walked).id}
    assert all(row.served_by == "rented" for row in rows)


def test_nothing_held_out_was_trained_on(walked: Home) -> None:
    manifest, folder = certifying.latest_student(walked, narrow(walked))
    trained_on = {e.id for e in bundle.read_examples(folder)}
    for against in ("teacher", "gold"):
        unseen = certifying.held_out(walked, narrow(walked), folder, manifest, against)
        assert unseen
        assert not trained_on & {e.id for e in unseen}


@pytest.mark.parametrize("against", ["teacher", "gold"])
def test_a_learnable_task_is_certified_and_the_promise_says_against_what(walked: Home, against: str) -> None:
    certificate = certifying.certify(walked, narrow(walked), alpha=0.1, delta=0.1, against=against)
    assert certificate.certified, certificate.reason
    assert certificate.against == against
    assert certificate.coverage > 0.5
    assert certificate.risk_upper <= 0.1
    assert certificate.coverage_interval.low <= certificate.coverage <= certificate.coverage_interval.high


def test_promotion_publishes_a_route_that_a_gateway_can_follow(walked: Home) -> None:
    task = narrow(walked)
    certificate = certifying.certify(walked, task, alpha=0.1, delta=0.1)
    promoting.promote(walked, task, "full", by="test")
    route = next(r for r in routes.load(routes.path(walked.path)).routes if r.task_id == task.id)
    assert route.stage == "full"
    assert route.threshold == certificate.threshold
    assert route.template_ids == certificate.template_ids
    promoting.rollback(walked, task, by="test")
    route = next(r for r in routes.load(routes.path(walked.path)).routes if r.task_id == task.id)
    assert route.stage == "none"


def test_free_text_gets_a_plain_no(walked: Home) -> None:
    essays = next(task for task in walked.registry.tasks() if task.id != narrow(walked).id)
    with pytest.raises(MissingPrerequisite, match="usable calls"):
        training.train(walked, essays)
    with pytest.raises(MissingPrerequisite, match="no student"):
        certifying.certify(walked, essays)
    with pytest.raises((MissingPrerequisite, GateRefused)):
        promoting.promote(walked, essays, "full", by="test")


def test_a_bundle_travels_verifies_and_rebuilds_bit_for_bit(walked: Home, tmp_path: Path) -> None:
    bundling.export(walked, narrow(walked), tmp_path / "out")
    assert bundling.verify(tmp_path / "out").verified
    rebuilt = bundling.rebuild(tmp_path / "out")
    assert rebuilt.identical, rebuilt.differing
    student = runtime.load(tmp_path / "out")
    assert student.answer(("imagine glacier rather ink",)).text == "blue"


def test_a_changed_byte_is_refused(walked: Home, tmp_path: Path) -> None:
    bundling.export(walked, narrow(walked), tmp_path / "out")
    card = tmp_path / "out" / "card.md"
    card.write_bytes(card.read_bytes().replace(b"a", b"b", 1))
    with pytest.raises(BundleRefused):
        bundling.verify(tmp_path / "out")


def test_the_same_calls_make_the_same_student(walked: Home) -> None:
    before = walked.registry.latest_student(narrow(walked).id)
    again = training.train(walked, narrow(walked))
    assert before is not None
    assert again.student_id == before.id


def test_the_verdict_follows_the_volume(walked: Home) -> None:
    small = deciding.verdicts(walked, task_name=narrow(walked).name)[0]
    assert small.word == "keep_renting"
    large = deciding.verdicts(walked, task_name=narrow(walked).name, volume=1e5)[0]
    assert large.word == "own_student"
    weighted = Home(
        Loaded(Settings(workload=WorkloadSettings(sample_weight=1e5)), walked.path, {}),
    )
    with weighted:
        assert deciding.verdicts(weighted, task_name=narrow(walked).name)[0].word == large.word


def test_restriction_removes_every_rented_option(walked: Home) -> None:
    task = narrow(walked)
    declared = Settings(tasks={task.name: TaskSettings(data_class="restricted")})
    with Home(Loaded(declared, walked.path, {})) as home:
        verdict = deciding.verdicts(home, task_name=task.name)[0]
    assert verdict.word != "keep_renting"
    assert all(not option.allowed for option in verdict.options if option.word in ("keep_renting", "rent_smaller"))


def test_an_erring_teacher_is_promised_against_itself_and_not_against_gold(tmp_path: Path) -> None:
    log = homes.colours_log(tmp_path / "calls.jsonl", 600, teacher_error=0.25, essays=0)
    with homes.home(tmp_path / "home") as home:
        ingest.import_log(home, log)
        discovering.find_tasks(home)
        training.train(home, narrow(home))
        against_teacher = certifying.certify(home, narrow(home), alpha=0.05, delta=0.05, against="teacher")
        assert not against_teacher.certified
        assert against_teacher.best_risk_upper > 0.05
        assert against_teacher.reason
        against_gold = certifying.certify(home, narrow(home), alpha=0.05, delta=0.05, against="gold")
        assert "The rented model itself is wrong on" in against_gold.reason


def test_wrong_words_get_clear_errors(walked: Home) -> None:
    with pytest.raises(UsageError, match="nothing to certify against"):
        certifying.certify(walked, narrow(walked), against="hope")
    with pytest.raises(UsageError, match="no stage"):
        promoting.promote(walked, narrow(walked), "everything", by="test")
    with pytest.raises(NotFound):
        walked.task("no-such-task")


def test_a_home_without_calls_says_what_to_do(tmp_path: Path) -> None:
    with homes.home(tmp_path / "home") as home:
        with pytest.raises(MissingPrerequisite, match="no calls"):
            deciding.verdicts(home)
        with pytest.raises(MissingPrerequisite, match="no tasks"):
            home.task("anything")
        with pytest.raises(NotFound, match="no file"):
            ingest.import_log(home, tmp_path / "missing.jsonl")
