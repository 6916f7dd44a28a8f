"""The registry: tasks and decisions about them, contracts, students, certificates, verdicts, and the audit log."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import create_engine, inspect
from tests.support.bundles import contract
from tests.support.registry import (
    add_certificate,
    add_student,
    manifest,
    opened,
    task,
    template,
    workflow_certificate,
)

from freehold.errors import MissingPrerequisite, NotFound, UsageError
from freehold.registry import _tables, routes
from freehold.registry.store import AuditHead, Registry
from freehold.settings import Settings, TaskSettings
from freehold.vocabulary import Route, RouteTable, Verdict


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def table(home: Path) -> RouteTable:
    return routes.load(routes.path(home))


def route(home: Path, task_id: str) -> Route:
    return next(r for r in table(home).routes if r.task_id == task_id)


# Tasks


def test_tasks_are_found_by_id_name_and_letter_case_and_close_names_are_hinted(home: Path) -> None:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a", name="triage"), task("t2", "b", name="booking")])
        assert registry.task("t1") == registry.task("triage") == registry.task("Triage")
        with pytest.raises(NotFound, match="did you mean triage"):
            registry.task("traige")
        with pytest.raises(NotFound, match="freehold tasks"):
            registry.task("zzz")


def test_names_ids_and_edits_survive_a_discovery_that_calls_everything_something_else(home: Path) -> None:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a", name="one"), task("t2", "b"), task("t3", "c"), task("t4", "d", "e")])
        registry.rename("t1", "triage", by="ann")
        registry.tag("t1", ["support", "eu"], by="ann")
        registry.merge("t2", ["t3"], by="ann")
        part = registry.split("t4", ["e"], "part", by="ann")
        before = registry.tasks()
        assert {t.name: [x.id for x in t.templates] for t in before} == {
            "triage": ["a"],
            "name of t2": ["b", "c"],
            "name of t4": ["d"],
            "part": ["e"],
        }
        found = [task("x9", "d", "e"), task("x8", "c"), task("x7", "b"), task("x6", "a", "a2", name="other")]
        after = {t.id: t for t in registry.save_discovered(found)}
        assert set(after) == {"t1", "t2", "t4", part.id}
        assert (after["t1"].name, after["t1"].named_by, after["t1"].tags) == ("triage", "person", ("support", "eu"))
        assert [t.id for t in after["t1"].templates] == ["a", "a2"]
        assert [t.id for t in after["t2"].templates] == ["b", "c"]
        assert [t.id for t in after[part.id].templates] == ["e"]
    with opened(home) as registry:
        assert {t.id for t in registry.tasks()} == set(after)
        assert [d.decision.kind for d in registry.decisions()] == ["rename", "tag", "merge", "split"]


def test_a_template_stays_with_the_task_a_person_edited_when_discovery_joins_two(home: Path) -> None:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a"), task("t2", "b")])
        registry.rename("t1", "one", by="ann")
        registry.rename("t2", "two", by="ann")
        after = registry.save_discovered([task("t1", template("a", 5), template("b", 7), template("new", 3))])
        assert {t.name: ([x.id for x in t.templates], t.n_calls) for t in after} == {
            "one": (["a"], 5),
            "two": (["b", "new"], 10),
        }


def test_what_nobody_edited_is_forgotten_and_what_has_a_student_is_not(home: Path) -> None:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a"), task("t2", "b")])
        add_student(registry, "s1", "t1")
        assert [t.id for t in registry.save_discovered([task("t3", "c")])] == ["t1", "t3"]


def test_an_id_is_never_given_to_something_else(home: Path) -> None:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a")])
        add_student(registry, "s1", "t1")
        after = registry.save_discovered([task("t1", "z")])
        assert [[x.id for x in t.templates] for t in after] == [["a"], ["z"]]
        assert len({t.id for t in after}) == 2


def test_names_that_discovery_gives_twice_are_numbered(home: Path) -> None:
    with opened(home) as registry:
        after = registry.save_discovered([task(f"t{n}", f"p{n}", name="same") for n in range(3)])
        assert [t.name for t in after] == ["same", "same (2)", "same (3)"]


def test_decisions_that_make_no_sense_are_refused_and_change_nothing(home: Path) -> None:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a", "b", name="one"), task("t2", "c", name="two")])
        for wrong in (
            lambda: registry.rename("one", "two", by="ann"),
            lambda: registry.rename("one", " ", by="ann"),
            lambda: registry.merge("one", ["one"], by="ann"),
            lambda: registry.split("one", ["a", "b"], "all", by="ann"),
        ):
            with pytest.raises(UsageError):
                wrong()
        with pytest.raises(NotFound):
            registry.split("one", ["c"], "stolen", by="ann")
        assert registry.decisions() == []


# Declarations


def test_restricted_is_on_the_route_before_anything_is_promoted_or_even_seen(home: Path) -> None:
    closed = TaskSettings(data_class="restricted")
    with opened(home, Settings(tasks={"triage": closed, "claims": closed, "typo": TaskSettings()})) as registry:
        registry.save_discovered([task("t1", "a", name="triage")])
        assert route(home, "t1").data_class == "restricted"
        unseen = [t for t in table(home).tasks if t.name == "claims"]
        assert [t.templates for t in unseen] == [()]
        assert route(home, unseen[0].id).data_class == "restricted"
        assert registry.unmatched_settings() == ("claims", "typo")


def test_a_rename_merge_or_split_never_opens_what_somebody_closed(home: Path) -> None:
    with opened(home, Settings(tasks={"triage": TaskSettings(data_class="restricted", alpha=0.01)})) as registry:
        registry.save_discovered([task("t1", "a", "a2", name="triage"), task("t2", "b", name="two")])
        registry.rename("triage", "sorting", by="ann")
        assert route(home, "t1").data_class == "restricted"
        assert registry.task_settings("sorting").alpha == 0.01
        part = registry.split("sorting", ["a2"], "part", by="ann")
        assert route(home, part.id).data_class == "restricted"
        registry.merge("two", ["sorting"], by="ann")
        assert route(home, "t2").data_class == "restricted"


def test_publish_takes_new_settings_and_grows_the_version_only_for_a_change(home: Path) -> None:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a", name="triage")])
        first = registry.publish()
        assert registry.publish() == first == table(home)
        declared = Settings(tasks={"triage": TaskSettings(data_class="restricted", audit_share=0.5, canary_share=0.3)})
        second = registry.publish(declared)
        assert second.version == first.version + 1
        assert (second.routes[0].audit_share, second.routes[0].canary_share) == (0.5, 0.3)


def test_settings_are_read_from_the_home_where_none_are_given(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    (home / "freehold.toml").write_text('[tasks.triage]\ndata_class = "restricted"\n')
    with Registry(home) as registry:
        registry.save_discovered([task("t1", "a", name="triage")])
        assert route(home, "t1").data_class == "restricted"


# Contracts, students, certificates, verdicts


def test_contracts_are_kept_signed_and_learned_again(home: Path) -> None:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a")])
        assert registry.contract("t1") is None
        registry.save_contract("t1", contract())
        assert registry.sign_contract("t1", by="ann").signed_by == "ann"
        registry.save_contract("t1", contract(n_answers=9))
        assert registry.contract("t1") == contract(n_answers=9, signed_by="ann")
        registry.save_contract("t1", contract(version="c2"))
        assert registry.contract("t1") == contract(n_answers=9, signed_by="ann"), "a signed one stays in force"
        assert registry.contract("t1", "c2") == contract(version="c2")
        assert [one.contract.version for one in registry.contracts("t1")] == ["c1", "c1", "c1", "c2"]
        assert registry.sign_contract("t1", by="bea").version == "c2"
        assert registry.contract("t1") == contract(version="c2", signed_by="bea")
        registry.save_contract("t1", contract(n_answers=12))
        assert registry.contract("t1") == contract(version="c2", signed_by="bea"), "only a person takes it back"
        assert registry.contract("t1", "c1") == contract(n_answers=12)
        assert registry.contract("t1", "c3") is None
        with pytest.raises(NotFound):
            registry.sign_contract("t1", by="ann", version="c3")
        assert route(home, "t1").loss == "label"


def test_students_live_inside_the_home_and_are_registered_once(home: Path, tmp_path: Path) -> None:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a")])
        made = add_student(registry, "s1")
        add_student(registry, "s1")
        add_student(registry, "s2")
        assert [(s.id, s.bundle) for s in registry.students("t1")] == [("s1", "bundles/s1"), ("s2", "bundles/s2")]
        assert registry.student("s1").manifest == made
        assert registry.student("s1").folder(home) == home / "bundles/s1"
        latest = registry.latest_student("t1")
        assert latest is not None
        assert latest.id == "s2"
        with pytest.raises(UsageError, match="inside the home"):
            registry.add_student(msgspec.structs.replace(made, student_id="s3"), tmp_path.parent / "elsewhere")
        with pytest.raises(NotFound):
            registry.student("s3")


def test_a_home_with_a_path_from_the_working_folder_finds_its_bundles(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `.freehold`, which is where a home is unless somebody says otherwise."""
    monkeypatch.chdir(home)
    with opened(Path(".freehold")) as registry:
        registry.save_discovered([task("t1", "a")])
        add_student(registry, "s1")
        registry.add_student(manifest("s2"), Path("bundles/s2"))
        assert [student.bundle for student in registry.students()] == ["bundles/s1", "bundles/s2"]


def test_certificates_are_kept_by_task_student_and_promise(home: Path) -> None:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a")])
        add_student(registry, "s1")
        first = add_certificate(registry, "s1", "c1")
        second = add_certificate(registry, "s1", "c2", against="gold", certified=False, threshold=None)
        add_certificate(registry, "s1", "c1")
        assert [h.certificate for h in registry.certificates("t1")] == [first, second]
        assert registry.latest_certificate("t1", against="teacher") == first
        assert registry.latest_certificate("t1", "s1", "gold") == second
        assert registry.latest_certificate("t1", "s9") is None
        with pytest.raises(UsageError):
            add_certificate(registry, "s1", "c1", alpha=0.2)
        with pytest.raises(NotFound):
            add_certificate(registry, "s9", "c9")


def test_promises_about_runs_are_kept_by_workflow_and_logged(home: Path) -> None:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a")])
        add_student(registry, "s1")
        made = workflow_certificate(add_certificate(registry, "s1", "c1"))
        registry.add_workflow_certificate(made)
        other = msgspec.structs.replace(made, id="w2", workflow_id="flow-2", certified=False)
        registry.add_workflow_certificate(other)
        assert registry.workflow_certificates("flow-1") == [made]
        assert registry.workflow_certificates() == [made, other]
        assert [e.subject for e in registry.audit_log() if e.what == "workflow_certificate.added"] == ["w1", "w2"]
        (pin,) = made.steps
        unknown = msgspec.structs.replace(made, id="w3", steps=(msgspec.structs.replace(pin, student_id="nobody"),))
        with pytest.raises(NotFound):
            registry.add_workflow_certificate(unknown)
        assert len(registry.workflow_certificates()) == 2


def test_verdicts_keep_their_history(home: Path) -> None:
    base = Verdict(
        "t1", "one", "classification", "keep_renting", "cheap", True, "", 1.0, 1.0, 1.0, (), (), (), 0.1, (), "x"
    )
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a")])
        assert registry.latest_verdict("t1") is None
        registry.add_verdict(base)
        registry.add_verdict(msgspec.structs.replace(base, word="own_student"))
        assert [v.word for v in registry.verdicts("t1")] == ["keep_renting", "own_student"]
        assert registry.latest_verdict("t1") == registry.verdicts()[-1]


# The audit log


def test_every_change_is_in_the_audit_log_and_the_chain_holds(home: Path) -> None:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a")])
        registry.rename("t1", "triage", by="ann")
        add_student(registry, "s1")
        add_certificate(registry, "s1", "c1")
        registry.set_stage("t1", "full", by="ann", reason="approved")
        registry.record("ann", "bundle.exported", "s1", why="backup", bytes=3)
        entries = registry.audit_log()
        assert [(e.who, e.what, e.subject) for e in entries] == [
            ("discovery", "tasks.discovered", ""),
            ("ann", "task.rename", "t1"),
            ("training", "student.added", "s1"),
            ("certification", "certificate.added", "c1"),
            ("ann", "stage.full", "t1"),
            ("ann", "bundle.exported", "s1"),
        ]
        assert registry.verify_audit_log() == (True, 6, None, "")
        assert registry.audit_head() == (6, entries[-1].hash)


TAMPERING = [
    ("UPDATE audit_log SET who = 'bob' WHERE seq = 3", 3),
    ("UPDATE audit_log SET detail = '[]' WHERE seq = 1", 1),
    ("DELETE FROM audit_log WHERE seq = 2", 2),
    ("UPDATE audit_log SET seq = seq + 10", 1),
    ("UPDATE audit_log SET previous = '' WHERE seq = 4", 4),
    ("UPDATE audit_log SET hash = 'x' WHERE seq = 4", 4),
]


@pytest.mark.parametrize(("statement", "first_bad"), TAMPERING)
def test_a_changed_removed_or_moved_entry_is_named(home: Path, statement: str, first_bad: int) -> None:
    with opened(home) as registry:
        for number in range(5):
            registry.record("ann", "noted", str(number))
    with sqlite3.connect(home / "control.db") as database, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute(statement)
    database.execute("DROP TRIGGER audit_log_no_DELETE")
    database.execute("DROP TRIGGER audit_log_no_UPDATE")
    database.execute(statement)
    database.commit()
    database.close()
    with opened(home) as registry:
        check = registry.verify_audit_log()
        assert (check.ok, check.first_bad) == (False, first_bad)


def test_an_end_that_was_cut_off_shows_against_a_noted_head(home: Path) -> None:
    with opened(home) as registry:
        for number in range(5):
            registry.record("ann", "noted", str(number))
        noted = registry.audit_head()
    database = sqlite3.connect(home / "control.db")
    database.execute("DROP TRIGGER audit_log_no_DELETE")
    database.execute("DELETE FROM audit_log WHERE seq > 3")
    database.commit()
    database.close()
    with opened(home) as registry:
        assert registry.verify_audit_log().ok
        assert registry.verify_audit_log(noted).first_bad == 4
        registry.record("bob", "noted", "3")
        registry.record("bob", "noted", "4")
        assert registry.verify_audit_log(noted).first_bad == 5
        assert registry.verify_audit_log(AuditHead(0, "")).ok


# The database


def test_the_migrations_make_the_tables_that_queries_see(home: Path) -> None:
    opened(home).close()
    engine = create_engine(f"sqlite:///{home / 'control.db'}")
    found = {name: inspect(engine).get_columns(name) for name in inspect(engine).get_table_names()}
    engine.dispose()
    assert set(found) == set(_tables.metadata.tables)
    for name, columns in found.items():
        expected = [(c.name, str(c.type), c.primary_key) for c in _tables.metadata.tables[name].columns]
        assert [(c["name"], str(c["type"]), bool(c["primary_key"])) for c in columns] == expected


def test_a_database_of_a_newer_version_is_left_alone(home: Path) -> None:
    opened(home).close()
    database = sqlite3.connect(home / "control.db")
    database.execute("INSERT INTO migrations VALUES (999, 'later', '')")
    database.commit()
    database.close()
    with pytest.raises(MissingPrerequisite, match="newer"):
        opened(home)


def test_a_locked_or_broken_database_is_a_typed_error(home: Path, tmp_path: Path) -> None:
    opened(home).close()
    database = sqlite3.connect(home / "control.db", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    with Registry(home, Settings(), busy_timeout_s=0.05) as registry:
        assert registry.tasks() == ()
        with pytest.raises(MissingPrerequisite, match="locked") as error:
            registry.record("ann", "noted", "x")
        assert error.value.error_code == "registry_unavailable"
    database.close()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/control.db").write_bytes(b"not a database" * 100)
    with pytest.raises(MissingPrerequisite):
        opened(tmp_path / "broken")


def test_what_a_crash_left_unpublished_is_published_at_the_next_opening(home: Path) -> None:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a")])
        with registry._db.write() as connection:  # What `_change` does, up to the moment of the crash.
            from freehold.registry import _rows, current

            _rows.add_decision(connection, _decision(), "ann")
            _rows.set_number(connection, current.REVISION, 99)
    assert table(home).routes[0].task_name == "name of t1"
    opened(home).close()
    assert table(home).routes[0].task_name == "after the crash"


def _decision():
    from freehold.registry.store import Decision

    return Decision("rename", "t1", name="after the crash")


def test_an_unreadable_route_table_is_replaced_with_a_higher_version(home: Path) -> None:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a")])
        before = table(home)
        routes.path(home).write_bytes(b"{half")
        with pytest.raises(MissingPrerequisite, match="route table"):
            table(home)
        assert registry.publish().version == before.version + 1
        routes.path(home).unlink()
        assert registry.publish().version == before.version + 2


WRITER = """
import sys
from pathlib import Path
from freehold.registry.store import Registry
from freehold.settings import Settings
with Registry(Path(sys.argv[1]), Settings()) as registry:
    for number in range(25):
        registry.tag("t1", [sys.argv[2], str(number)], by=sys.argv[2])
"""


def test_two_processes_write_one_home_and_neither_loses_anything(home: Path) -> None:
    with opened(home) as registry:
        registry.save_discovered([task("t1", "a")])
        versions = [table(home).version]
        writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(home), name]) for name in ("ann", "bob")]
        while any(writer.poll() is None for writer in writers):
            versions.append(table(home).version)
        assert [writer.wait() for writer in writers] == [0, 0]
        assert versions == sorted(versions)
        assert len(registry.decisions()) == 50
        assert registry.verify_audit_log().ok
        assert table(home).tasks == registry.tasks()


def test_reading_routes_loads_no_database() -> None:
    script = "import sys, freehold.registry.routes, freehold.registry.demotion; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"sqlalchemy", "sqlite3", "numpy", "freehold.registry.store"}.intersection(loaded)


def test_a_stage_needs_a_task(home: Path) -> None:
    with opened(home) as registry, pytest.raises(NotFound):
        registry.set_stage("nothing", "full", by="ann")
