"""Pauses: published at once, recorded with who and why, beside the stages, and never lost by a later publication."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support import homes
from tests.support.older_home import older_home
from tests.support.registry import add_certificate, add_student, opened, task

from freehold.errors import MissingPrerequisite, NotFound
from freehold.registry import pausing, routes
from freehold.registry.store import Registry
from freehold.services import pausing as walks
from freehold.services.doctoring import examine
from freehold.settings import Settings
from freehold.vocabulary import Route, RouteTable


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def registry(home: Path) -> Iterator[Registry]:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a", name="triage"), task("t2", "b", name="booking")])
        add_student(registry, "s1")
        add_certificate(registry, "s1", "c1")
        registry.set_stage("t1", "full", by="ann")
        yield registry


def table(home: Path) -> RouteTable:
    return routes.load(routes.path(home))


def route(home: Path, task_id: str = "t1") -> Route:
    return next(r for r in table(home).routes if r.task_id == task_id)


def test_a_pause_of_everything_is_published_and_keeps_the_stages(home: Path, registry: Registry) -> None:
    before = table(home)
    made = registry.pause(by="ann", reason="odd answers")
    assert (made.task_id, made.made_by, made.reason) == ("", "ann", "odd answers")
    assert table(home).paused
    assert table(home).version > before.version
    assert (route(home).stage, route(home).paused) == ("full", False)
    assert registry.resume(by="bob")
    assert table(home).routes == before.routes
    assert not table(home).paused


def test_a_pause_of_one_task_leaves_the_others(home: Path, registry: Registry) -> None:
    registry.pause("Triage", by="ann")
    assert (route(home).paused, route(home, "t2").paused, table(home).paused) == (True, False, False)
    assert route(home).stage == "full"
    assert not registry.resume(by="ann")
    assert route(home).paused
    assert registry.resume("triage", by="ann")
    assert not route(home).paused


def test_everything_and_one_task_are_two_switches(home: Path, registry: Registry) -> None:
    registry.pause("triage", by="ann")
    registry.pause(by="bob")
    assert [one.task_id for one in registry.pauses()] == ["", "t1"]
    registry.resume(by="bob")
    assert [one.task_id for one in registry.pauses()] == ["t1"]
    assert (route(home).paused, table(home).paused) == (True, False)


def test_who_when_and_why_are_in_the_audit_log_once(registry: Registry) -> None:
    first = registry.pause("t1", by="ann", reason="odd answers")
    assert registry.pause("t1", by="bob", reason="me too") == first
    registry.resume("t1", by="bob", reason="mended")
    assert not registry.resume("t1", by="bob")
    said = [(e.who, e.what, e.subject, e.why) for e in registry.audit_log() if e.what.startswith("owned.")]
    assert said == [("ann", "owned.paused", "t1", "odd answers"), ("bob", "owned.resumed", "t1", "mended")]
    assert registry.verify_audit_log().ok


def test_no_later_publication_brings_the_answers_back(home: Path, registry: Registry) -> None:
    registry.pause("t1", by="ann")
    registry.pause(by="ann")
    registry.rename("t1", "sorting", by="ann")
    registry.set_stage("t1", "shadow", by="ann")
    registry.set_stage("t1", "full", by="ann")
    registry.save_discovered([task("x9", "a", name="other"), task("t2", "b")])
    registry.publish(Settings())
    assert (route(home).paused, route(home).stage, table(home).paused) == (True, "full", True)
    with opened(home) as again:
        again.publish()
        assert len(again.pauses()) == 2
    assert route(home).paused


def test_an_unknown_task_is_named(home: Path, registry: Registry) -> None:
    with pytest.raises(NotFound, match="did you mean triage"):
        registry.pause("traige", by="ann")
    assert not pausing.stop(home, "traige")
    assert not table(home).paused


def test_a_registry_of_an_older_version_can_be_paused(home: Path) -> None:
    older_home(home)
    with opened(home) as registry:
        assert registry.pauses() == []
        assert registry.stage("triage").stage == "full"
        registry.pause("triage", by="ann")
        assert registry.verify_audit_log().ok
    assert route(home).paused


def test_the_route_table_obeys_before_the_database_is_asked(home: Path, registry: Registry) -> None:
    version = table(home).version
    assert pausing.stop(home, "TRIAGE")
    assert (route(home).paused, table(home).version) == (True, version + 1)
    assert pausing.stop(home, "t1")
    assert table(home).version == version + 1
    assert pausing.stop(home)
    assert table(home).paused
    registry.publish()
    assert not table(home).paused
    assert not route(home).paused


def test_nothing_is_stopped_where_nothing_was_published(home: Path) -> None:
    assert not pausing.stop(home)
    assert not routes.path(home).exists()


def test_a_broken_database_does_not_keep_owned_models_answering(home: Path, registry: Registry) -> None:
    registry.close()
    for file in home.glob("control.db*"):
        file.write_bytes(b"no database" * 500)
    with homes.home(home) as broken, pytest.raises(MissingPrerequisite, match="have stopped, but") as error:
        walks.pause(broken)
    assert error.value.error_code == "registry_unavailable"
    assert table(home).paused


def test_a_locked_database_is_waited_for_after_the_answers_have_stopped(home: Path, registry: Registry) -> None:
    with closing(sqlite3.connect(home / "control.db", isolation_level=None, check_same_thread=False)) as held:
        held.execute("BEGIN IMMEDIATE")
        with homes.home(home) as one:
            thread = threading.Thread(target=lambda: walks.pause(one, "triage", by="ann"), daemon=True)
            thread.start()
            changed = threading.Event()
            for _ in range(400):
                if route(home).paused:
                    break
                changed.wait(0.025)
            assert route(home).paused
            assert thread.is_alive()
            held.execute("ROLLBACK")
            thread.join(20)
            assert not thread.is_alive()
    assert [one.made_by for one in registry.pauses()] == ["ann"]
    assert route(home).paused


def test_the_walks_say_what_is_so(home: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    with homes.home(home) as one:
        said = walks.pause(one, "triage", by="ann", reason="odd answers")
        assert said[0].startswith("The owned answers of triage are paused by ann at ")
        assert "(odd answers)" in said[0]
        walks.pause(one, by="bob")
        assert walks.resume(one, "triage", by="ann")[-1].startswith("All owned answers are paused still")
        walks.pause(one, "triage", by="ann")
        assert "triage" in walks.resume(one, by="bob")[-1]
        assert [mend for _, mend in walks.standing(one)] == ["freehold resume triage"]
        assert walks.resume(one, by="bob")[0] == "Nothing was paused as a whole."
    monkeypatch.setenv("FREEHOLD_HOME", str(home))
    found = {ailment.code: ailment for ailment in examine()}
    assert found["paused"].what.startswith("the owned answers of triage are paused since ")
    assert found["paused"].mend == "freehold resume triage"
