"""Promotion, rollback and demotion: single cases, then every order of events that hypothesis can think of."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.support.registry import add_certificate, add_student, opened, task

from freehold.errors import GateRefused, MissingPrerequisite
from freehold.registry import demotion, routes
from freehold.registry.store import SERVING, Registry
from freehold.settings import Settings, TaskSettings
from freehold.vocabulary import Route, Stage


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with opened(tmp_path) as registry:
        registry.save_discovered([task("t1", "tpl1", name="triage"), task("t2", "b")])
        add_student(registry, "s1")
    return tmp_path


def route(home: Path, task_id: str = "t1") -> Route:
    return next(r for r in routes.load(routes.path(home)).routes if r.task_id == task_id)


def refusal(registry: Registry, stage: Stage, **named: str) -> str:
    with pytest.raises(GateRefused) as error:
        registry.set_stage("triage", stage, by="ann", **named)
    assert error.value.exit_code == 3
    return str(error.value)


def test_serving_needs_a_certificate_and_shadow_only_a_student(home: Path) -> None:
    with opened(home) as registry:
        for stage in ("canary", "full"):
            assert "freehold certify triage" in refusal(registry, stage)
        assert registry.set_stage("triage", "shadow", by="ann").student_id == "s1"
        assert (route(home).stage, route(home).threshold, route(home).template_ids) == ("shadow", 1.0, ("tpl1",))
        with pytest.raises(GateRefused, match="freehold train"):
            registry.set_stage("t2", "shadow", by="ann")


def test_a_certified_student_is_on_the_route_with_what_its_certificate_says(home: Path) -> None:
    with opened(home) as registry:
        add_certificate(registry, "s1", "c1", alpha=0.02, delta=0.1, threshold=0.7, scope_threshold=0.3, against="gold")
        registry.set_stage("triage", "full", by="ann", reason="approved")
        found = route(home)
        assert (found.stage, found.student_id, found.bundle, found.certificate_id) == ("full", "s1", "bundles/s1", "c1")
        assert (found.alpha, found.delta, found.threshold, found.scope_threshold) == (0.02, 0.1, 0.7, 0.3)
        assert (found.template_ids, found.against) == (("tpl1",), "gold")


def test_what_a_certificate_must_be(home: Path) -> None:
    with opened(home) as registry:
        add_certificate(registry, "s1", "c1", certified=False, threshold=None, reason="200 more labels")
        assert "200 more labels" in refusal(registry, "full")
        add_student(registry, "s2")
        add_certificate(registry, "s2", "c2")
        assert registry.set_stage("triage", "full", by="ann").certificate_id == "c2"
        assert "no certificate" in refusal(registry, "full", student_id="s1", certificate_id="c2")
        assert "no such student" in refusal(registry, "full", student_id="s9")


@pytest.mark.parametrize(
    ("declared", "message"),
    [(TaskSettings(alpha=0.01), "alpha"), (TaskSettings(delta=0.01), "delta"), (TaskSettings(against="gold"), "gold")],
)
def test_declarations_bind_before_and_after_a_promotion(home: Path, declared: TaskSettings, message: str) -> None:
    strict = Settings(tasks={"triage": declared})
    with opened(home, strict) as registry:
        add_certificate(registry, "s1", "c1")
        assert message in refusal(registry, "full")
    with opened(home) as registry:
        registry.set_stage("triage", "full", by="ann")
        assert route(home).stage == "full"
        registry.publish(strict)
        assert route(home).stage == "none"
        registry.publish(Settings())
        assert route(home).stage == "full"


def test_a_step_that_is_so_already_leaves_no_trace(home: Path) -> None:
    with opened(home) as registry:
        add_certificate(registry, "s1", "c1")
        first = registry.set_stage("triage", "full", by="ann")
        assert registry.set_stage("triage", "full", by="bob") == first
        assert registry.stage_history("triage") == [first]


def test_nobody_demotes_by_hand(home: Path) -> None:
    with opened(home) as registry:
        assert "cannot go from none to demoted" in refusal(registry, "demoted")


def test_rollback_goes_to_the_student_before_and_then_to_none(home: Path) -> None:
    with opened(home) as registry:
        add_certificate(registry, "s1", "c1")
        registry.set_stage("triage", "canary", by="ann")
        registry.set_stage("triage", "full", by="ann")
        add_student(registry, "s2")
        add_certificate(registry, "s2", "c2")
        registry.set_stage("triage", "full", by="ann")
        back = registry.rollback("triage", by="ann", reason="complaints")
        assert (back.stage, back.student_id, back.certificate_id) == ("full", "s1", "c1")
        assert registry.rollback("triage", by="ann").stage == "none"
        assert registry.rollback("triage", by="ann").stage == "none"
        assert registry.set_stage("triage", "full", by="ann").student_id == "s2"


def test_rollback_passes_over_a_student_whose_certificate_was_voided(home: Path) -> None:
    with opened(home) as registry:
        add_certificate(registry, "s1", "c1")
        registry.set_stage("triage", "full", by="ann")
        registry.demote("t1", "c1", "drift")
        add_student(registry, "s2")
        add_certificate(registry, "s2", "c2")
        registry.set_stage("triage", "full", by="ann")
        assert registry.rollback("triage", by="ann").stage == "none"


def test_a_merge_takes_off_what_served_the_merged_task(home: Path) -> None:
    with opened(home) as registry:
        add_certificate(registry, "s1", "c1")
        registry.set_stage("triage", "full", by="ann")
        registry.merge("t2", ["triage"], by="ann")
        assert [(r.task_id, r.stage) for r in routes.load(routes.path(home)).routes] == [("t2", "none")]


# Demotion


def serving(home: Path) -> None:
    with opened(home) as registry:
        add_certificate(registry, "s1", "c1")
        registry.set_stage("triage", "full", by="ann")


def test_a_demotion_takes_off_voids_and_happens_once(home: Path) -> None:
    serving(home)
    assert demotion.demote(home, "t1", "c1", "the promise no longer holds")
    version = routes.load(routes.path(home)).version
    assert route(home).stage == "demoted"
    assert demotion.demote(home, "t1", "c1", "again")
    assert routes.load(routes.path(home)).version == version
    with opened(home) as registry:
        assert [r.stage for r in registry.stage_history("t1")] == ["full", "demoted"]
        assert registry.certificates("t1")[0].void_reason == "the promise no longer holds"
        assert "voided" in refusal(registry, "full")
        registry.set_stage("triage", "shadow", by="ann")
        assert "voided" in refusal(registry, "full")
        add_certificate(registry, "s1", "c2")
        assert registry.set_stage("triage", "full", by="ann").certificate_id == "c2"
    assert list((home / "demotions").iterdir()) == []


def test_a_demotion_voids_every_certificate_of_the_student_for_the_same_promise(home: Path) -> None:
    serving(home)
    began_us = time.time_ns() // 1000
    with opened(home) as registry:
        add_certificate(registry, "s1", "c2")
        add_certificate(registry, "s1", "c3", against="gold")
        add_student(registry, "s2")
        add_certificate(registry, "s2", "c4")
        registry.set_stage("triage", "full", by="ann", student_id="s1", certificate_id="c2")
        assert registry.voided_at_us("s1") is None
    assert demotion.demote(home, "t1", "c1", "drift")
    assert (route(home).stage, route(home).certificate_id) == ("demoted", "c2")
    with opened(home) as registry:
        void = {h.certificate.id: h.void_reason for h in registry.certificates("t1")}
        assert void == {"c1": "drift", "c2": "drift", "c3": "", "c4": ""}
        assert "voided" in refusal(registry, "full", student_id="s1", certificate_id="c2")
        at_us = registry.voided_at_us("s1")
        assert at_us is not None
        assert began_us <= at_us <= time.time_ns() // 1000
        assert at_us == registry.voided_at_us("s1", "teacher")
        assert registry.voided_at_us("s1", "gold") is None
        assert registry.voided_at_us("s2") is None
        add_certificate(registry, "s1", "c5")
    assert demotion.demote(home, "t1", "c1", "told again")
    with opened(home) as registry:
        later = registry.set_stage("triage", "full", by="ann", student_id="s1", certificate_id="c5")
        assert later.certificate_id == "c5", "issued since"


def test_a_demotion_while_the_database_is_locked_holds_at_once_and_is_recorded_later(home: Path) -> None:
    serving(home)
    before = routes.load(routes.path(home)).version
    lock = sqlite3.connect(home / "control.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    assert not demotion.demote(home, "t1", "c1", "drift", wait_s=0.05)
    assert not demotion.demote(home, "t1", "c1", "drift", wait_s=0.05)
    assert (route(home).stage, routes.load(routes.path(home)).version) == ("demoted", before + 1)
    lock.close()
    with opened(home) as registry:
        assert registry.stage("t1").stage == "demoted"
        assert registry.certificates("t1")[0].void_reason == "drift"
    assert route(home).stage == "demoted"


def test_a_demotion_with_no_database_at_all_still_takes_off(home: Path) -> None:
    serving(home)
    (home / "control.db").write_bytes(b"not a database" * 100)
    (home / "control.db-wal").unlink(missing_ok=True)
    assert not demotion.demote(home, "t1", "c1", "drift", wait_s=0.05)
    assert route(home).stage == "demoted"


def test_no_publication_brings_back_what_waits_to_be_demoted(home: Path) -> None:
    serving(home)
    with opened(home) as registry:
        from freehold.registry import _spool

        _spool.put(home, _spool.Pending("t1", "c1", "drift", "now"))
        registry.rename("triage", "sorting", by="ann")
        assert route(home).stage == "demoted"
        assert registry.stage("sorting").stage == "demoted"


# Every order of events


STAGES: tuple[Stage, ...] = ("full", "full", "canary", "shadow", "none", "demoted")


class Promotions(RuleBasedStateMachine):
    """Two students, certificates good and bad, steps, demotions, locks, crashes; checked after every event."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.registry = opened(self.home)
        self.registry.save_discovered([task("t1", "tpl1", name="triage")])
        for student in ("s1", "s2"):
            add_student(self.registry, student)
        self.n_certificates = 0
        self.good: dict[str, str] = {}
        self.standing: dict[str, str] = {}
        self.version = 0

    @rule(student=st.sampled_from(["s1", "s2"]), certified=st.sampled_from([True, True, False]))
    def certify(self, student: str, certified: bool) -> None:
        self.n_certificates += 1
        name = f"c{self.n_certificates}"
        add_certificate(self.registry, student, name, certified=certified, threshold=0.8 if certified else None)
        self.standing[name] = student
        if certified:
            self.good[name] = student

    @rule(
        stage=st.sampled_from(["none", "shadow", "canary", "full", "demoted"]),
        student=st.sampled_from(["", "s1", "s2"]),
    )
    def step(self, stage: Stage, student: str) -> None:
        before = self.registry.stage("t1")
        try:
            after = self.registry.set_stage("t1", stage, by="ann", student_id=student)
        except GateRefused:
            assert self.registry.stage("t1") == before
            assert stage != "none"
        else:
            assert after.stage == stage != "demoted"
            assert student in {"", after.student_id} or stage == "none"

    @rule()
    def roll_back(self) -> None:
        before = self.registry.stage("t1")
        after = self.registry.rollback("t1", by="ann")
        assert after.stage == "none" or after.student_id != before.student_id

    @rule(other=st.integers(0, 9), locked=st.booleans())
    def demote(self, other: int, locked: bool) -> None:
        present = route(self.home).certificate_id or "c1"
        name = present if other < 7 else f"c{other - 6}"
        lock = sqlite3.connect(self.home / "control.db", isolation_level=None)
        if locked:
            lock.execute("BEGIN IMMEDIATE")
        recorded = demotion.demote(self.home, "t1", name, "drift", wait_s=0.01 if locked else 20)
        lock.close()
        assert recorded != locked
        student = self.standing.get(name)
        if student is not None:
            self.standing = {one: whose for one, whose in self.standing.items() if whose != student}
            self.good = {one: whose for one, whose in self.good.items() if whose != student}
        assert route(self.home).certificate_id != name or route(self.home).stage not in SERVING
        self.reopen()

    @rule()
    def reopen(self) -> None:
        self.registry.close()
        self.registry = opened(self.home)

    @rule()
    def crash_before_publishing(self) -> None:
        kept = self.registry.publish
        self.registry.publish = _crash  # type: ignore[method-assign]
        try:
            self.registry.set_stage("t1", "none", by="ann")
        except MissingPrerequisite:
            pass
        finally:
            self.registry.publish = kept  # type: ignore[method-assign]
        self.reopen()

    @precondition(lambda self: self.registry.stage("t1").stage != "none")
    @rule()
    def none_is_always_reachable(self) -> None:
        assert self.registry.set_stage("t1", "none", by="ann").stage == "none"

    @invariant()
    def only_what_is_certified_serves(self) -> None:
        record = self.registry.stage("t1")
        published = route(self.home)
        if record.stage in SERVING:
            assert self.good.get(record.certificate_id) == record.student_id
        assert (published.stage, published.student_id, published.certificate_id) == (
            record.stage,
            record.student_id,
            record.certificate_id,
        )

    @invariant()
    def versions_grow_and_the_chain_holds(self) -> None:
        version = routes.load(routes.path(self.home)).version
        assert version >= self.version
        self.version = version
        assert self.registry.verify_audit_log().ok

    def teardown(self) -> None:
        self.registry.close()
        shutil.rmtree(self.home)


def _crash(*_: object) -> None:
    raise MissingPrerequisite("the process died here")


TestPromotions = Promotions.TestCase
TestPromotions.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
