"""Looking through a ledger: streams, takes in what is new alone, keeps ids, names and persons' edits."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.support import task_mixes as made
from tests.support.mixes import mix

from freehold.ledger._expire import Keep, Rules
from freehold.services import discovering, showing, summing
from freehold.services._survey import survey
from freehold.services.discovering import find_tasks, list_tasks
from freehold.services.home import Home
from freehold.settings import Loaded, Settings
from freehold.tasks.matching import TaskMatcher
from freehold.vocabulary import Call, MessagePattern, Slot, Template


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(Loaded(Settings(), tmp_path, {})) as opened:
        yield opened


def traffic(seed: int, n: int = 60) -> list[Call]:
    rng = random.Random(seed)
    calls = mix(made.sorted_in_german(rng, n), made.replies_of_two_models(rng, n), made.extracted_in_japanese(rng, n))
    for one in calls:
        one.id = f"{seed}-{one.id}"
    return calls


def by_matching(home: Home) -> dict[str, int]:
    """Calls by task, every one of them matched anew: what the marks must agree with."""
    counts: dict[str, int] = {}
    matcher = TaskMatcher(home.registry.tasks())
    for call in home.calls():
        match = matcher.match_call(call)
        if match is not None:
            counts[match.task_id] = counts.get(match.task_id, 0) + 1
    return counts


def listed(home: Home) -> dict[str, int]:
    return {row.id: row.calls for row in list_tasks(home).tasks if row.calls}


def test_marks_say_what_matching_says_sealed_or_not(home: Home) -> None:
    home.ledger.append(traffic(1))
    find_tasks(home)
    home.ledger.seal()
    home.ledger.append(traffic(2, 20))
    assert listed(home) == by_matching(home)
    assert sum(listed(home).values()) == 240


def test_a_later_look_reads_new_segments_alone(home: Home) -> None:
    home.ledger.append(traffic(3))
    home.ledger.seal()
    tasks = find_tasks(home)
    store = home.ledger.recognised
    key = discovering.key_of(tasks)
    assert store.pending(key) == []
    home.ledger.append(traffic(4, 30))
    home.ledger.seal()
    assert [(one.rows, one.again) for one in store.pending(key)] == [(90, False)]
    assert sorted(one.again for one in store.pending("others")) == [False, True]
    later = find_tasks(home)
    assert {task.id: task.name for task in later} == {task.id: task.name for task in tasks}


def test_a_tasks_calls_are_read_without_matching_the_others(home: Home) -> None:
    home.ledger.append(traffic(13))
    home.ledger.seal()
    declared = traffic(14, 5)
    tasks = find_tasks(home)
    for one in declared:
        one.task = tasks[0].id
    home.ledger.append(declared)
    home.ledger.seal()
    find_tasks(home)
    every = list(home.recognised())
    for task in tasks:
        wanted = [(call.id, match) for call, match in every if match is not None and match.task_id == task.id]
        assert [(call.id, match) for call, match in home.recognised(task_id=task.id)] == wanted
        read = list(home.ledger.calls(templates=[template.id for template in task.templates]))
        assert len(read) == 60 + 15


def test_lost_marks_are_made_again(home: Home) -> None:
    home.ledger.append(traffic(5))
    home.ledger.seal()
    find_tasks(home)
    before = listed(home)
    for path in (home.path / "ledger" / "recognised").iterdir():
        path.unlink()
    find_tasks(home)
    assert listed(home) == before
    home.ledger.recognised.forget()
    find_tasks(home)
    assert listed(home) == before


def test_several_processes_find_what_one_does(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in (6, 7):
        home.ledger.append(traffic(seed, 20))
        home.ledger.seal()
    tasks = find_tasks(home)
    alone = survey(home.ledger, tasks, workers=1)
    home.ledger.recognised.forget()
    monkeypatch.setattr("freehold.services._survey._SHARED_OUT_FROM", 0)
    together = survey(home.ledger, tasks, workers=2)
    assert msgspec.to_builtins(together) == msgspec.to_builtins(alone)


def test_what_fits_nothing_is_mined_with_what_came_before(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovering, "_SAMPLE_CALLS", 100)
    monkeypatch.setattr(discovering, "_GROWN", 100.0)
    home.ledger.append(traffic(8))
    home.ledger.seal()
    first = find_tasks(home)
    rng = random.Random(9)
    fresh = mix(made.sorted_in_japanese(rng, 60))
    for i, one in enumerate(fresh):
        one.id = f"new-{one.id}"
        if i % 2:
            home.ledger.append([one])
    home.ledger.append(fresh)
    home.ledger.seal()
    later = find_tasks(home)
    assert {(task.id, task.name) for task in first} <= {(task.id, task.name) for task in later}
    assert len(later) == len(first) + 1
    assert listed(home) == by_matching(home)
    assert min(listed(home).values()) == 60


def without_bodies(n: int, prompt: str, model: str, start: int) -> list[Call]:
    tags = {"prompt": prompt} if prompt else {}
    return [
        Call(f"b{start + i}", 1_790_000_000_000_000 + i, 5.0, "openai", model, b"", b"", tags=dict(tags), key="web")
        for i in range(n)
    ]


def test_calls_without_bodies_are_grouped_by_their_logs_word_and_marked(home: Home) -> None:
    home.ledger.append(without_bodies(30, "checkout-intent", "m-a", 0))
    home.ledger.append(without_bodies(20, "", "m-b", 100))
    home.ledger.append(without_bodies(3, "rare", "m-b", 200))
    listing = list_tasks(home)
    assert [(row.name, row.calls, row.kind, row.versions) for row in listing.tasks] == [
        ("checkout_intent", 30, "unknown", 0),
        ("m_b_key_web", 20, "unknown", 0),
    ]
    assert all("without bodies" in row.why and row.stated for row in listing.tasks)
    assert listing.unrecognised == 3
    assert not listing.requests
    home.ledger.append(traffic(15, 1)[:1])
    assert list_tasks(home).requests
    shown = showing.show(home, "checkout_intent")
    assert (shown.calls, shown.versions, shown.typical, shown.prompt) == (30, (), (), "")
    home.ledger.seal()
    find_tasks(home)
    assert listed(home) == by_matching(home)


def test_a_task_is_shown_with_its_versions_over_time(home: Home) -> None:
    home.ledger.append(mix(made.changed_midway(random.Random(10), 300), made.sorted_in_german(random.Random(11), 60)))
    home.ledger.seal()
    name = list_tasks(home).tasks[0].name
    shown = showing.show(home, name)
    early, late = sorted(shown.versions, key=lambda one: one.first_seen)
    assert early.last_seen < late.first_seen
    assert early.calls + late.calls == 300
    assert early.share == pytest.approx(0.5, abs=0.02)
    assert shown.stability is not None
    assert shown.stability >= 0.8
    assert shown.typical[0].closeness >= shown.strangest[0].closeness
    assert {one.id for one in shown.typical}.isdisjoint(one.id for one in shown.strangest)


def test_the_text_of_a_version_says_where_something_differs_from_call_to_call() -> None:
    asked = MessagePattern("user", (Slot("user"),))
    told = MessagePattern("system", ("You answer for ", Slot("shop"), ". Today is ", Slot("day"), ".\nBe brief."))
    assert (
        discovering.constant_text(Template("v1", (told, asked))) == "You answer for \u2026. Today is \u2026. Be brief."
    )


def test_a_call_whose_content_expired_stays_what_it_was(home: Home) -> None:
    home.ledger.append(traffic(12))
    home.ledger.seal()
    find_tasks(home)
    before = listed(home)
    rules = Rules("all", 0, False, lambda call, _: Keep(0, 2**62, call))
    assert home.ledger.expire(rules, 2**61).contents == 180
    assert all(not call.request for call in home.calls())
    find_tasks(home)
    assert listed(home) == before


class Edits(RuleBasedStateMachine):
    """Renames, merges, splits and tags among new traffic and new looks."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.home = Home(Loaded(Settings(), Path(self.folder.name), {}))
        self.seed = 100
        self.home.ledger.append(traffic(self.seed, 14))
        find_tasks(self.home)
        self.names: dict[str, str] = {}
        self.tags: dict[str, tuple[str, ...]] = {}
        self.merged: dict[str, str] = {}

    def teardown(self) -> None:
        self.home.close()
        self.folder.cleanup()

    @rule(pick=st.integers(0, 9), number=st.integers(0, 99))
    def rename(self, pick: int, number: int) -> None:
        tasks = self.home.registry.tasks()
        task = tasks[pick % len(tasks)]
        if all(other.name != f"mine_{number}" for other in tasks):
            self.names[task.id] = self.home.registry.rename(task.id, f"mine_{number}", by="test").name

    @rule(pick=st.integers(0, 9))
    def tag(self, pick: int) -> None:
        tasks = self.home.registry.tasks()
        task = tasks[pick % len(tasks)]
        self.tags[task.id] = self.home.registry.tag(task.id, (f"tag{pick}",), by="test").tags

    @precondition(lambda self: len(self.home.registry.tasks()) > 1)
    @rule()
    def merge(self) -> None:
        into, other = self.home.registry.tasks()[:2]
        self.home.registry.merge(into.id, (other.id,), by="test")
        self.names.pop(other.id, None)
        self.tags.pop(other.id, None)
        self.merged[other.id] = into.id

    @rule()
    def new_traffic(self) -> None:
        self.seed += 1
        self.home.ledger.append(traffic(self.seed, 5))
        list_tasks(self.home)

    @rule()
    def seal(self) -> None:
        self.home.ledger.seal()

    @invariant()
    def edits_hold(self) -> None:
        tasks = {task.id: task for task in self.home.registry.tasks()}
        assert {task_id: tasks[task_id].name for task_id in self.names} == self.names
        assert {task_id: tasks[task_id].tags for task_id in self.tags} == self.tags
        assert tasks.keys().isdisjoint(self.merged)

    @invariant()
    def sums_are_by_the_same_tasks(self) -> None:
        rows = summing.sums(self.home, "calls", ("task",)).rows
        assert {row[0]: row[1] for row in rows} == {row.name: row.calls for row in list_tasks(self.home).tasks}


TestEdits = Edits.TestCase
TestEdits.settings = settings(
    max_examples=4, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck)
)
