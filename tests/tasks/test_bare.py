"""Calls without any prompt: told apart by their answers when found, and by how they read when matched."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from sklearn.metrics import adjusted_rand_score
from tests.support import bare_mixes as made
from tests.support.mixes import call, mix, system, user

from freehold.tasks.discovery import Discovery, discover
from freehold.tasks.matching import TaskMatcher
from freehold.vocabulary import Call, Task

LANGUAGES = {"english": made.ENGLISH, "german": made.GERMAN, "japanese": made.JAPANESE}
SORTED = ("support", "review", "ticket")


def agreement(found: Discovery, calls: list[Call]) -> float:
    said = [found.assignments[one.id].task_id if one.id in found.assignments else "none" for one in calls]
    return adjusted_rand_score([one.tags["truth"] for one in calls], said)


def bare_log(words: dict[str, Any], seed: int, *, own_models: bool = False) -> list[Call]:
    """Three classifications, an extraction and five in a hundred chats."""
    rng = random.Random(seed)
    models = {truth: f"tuned-{truth}" if own_models else "m-large" for truth in (*SORTED, "record")}
    return mix(
        *[made.labelled(rng, n, t, words[t], model=models[t]) for t, n in zip(SORTED, (300, 250, 150), strict=True)],
        made.recorded(rng, 250, words["record"], model=models["record"]),
        made.chatter(rng, 50, words["junk"]),
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("own_models", [False, True])
def test_bare_tasks_are_told_apart(language: str, *, own_models: bool) -> None:
    calls = bare_log(LANGUAGES[language], 1, own_models=own_models)
    found = discover(calls)
    assert agreement(found, calls) >= 0.95
    assert len(found.tasks) == 4
    assert sorted(task.kind for task in found.tasks) == ["classification"] * 3 + ["extraction"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_unseen_calls_are_matched_right_or_not_by_template(language: str) -> None:
    calls = bare_log(LANGUAGES[language], 2)
    found = discover(calls)
    truth = {one.id: one.tags["truth"] for one in calls}
    owner = {match.task_id: truth[c] for c, match in found.assignments.items() if match.how == "template"}
    matcher = TaskMatcher(found.tasks)
    unseen = bare_log(LANGUAGES[language], 3)
    matches = [(one.tags["truth"], matcher.match(one.request)) for one in unseen]
    by_template = [(t, m) for t, m in matches if m is not None and m.template_id]
    assert len(by_template) >= 0.8 * 950
    assert sum(owner[m.task_id] != t for t, m in by_template) <= 0.01 * len(by_template)
    strangers = [m for t, m in matches if t == "none"]
    assert sum(m is None for m in strangers) >= 0.9 * len(strangers)


def test_one_bare_task_does_not_swallow_chats() -> None:
    rng = random.Random(4)
    calls = mix(
        made.labelled(rng, 300, "support", made.ENGLISH["support"]), made.chatter(rng, 150, made.ENGLISH["junk"])
    )
    assert agreement(discover(calls), calls) >= 0.95


def test_same_labels_from_two_models_are_one_task() -> None:
    rng = random.Random(5)
    parts = [made.labelled(rng, 200, "support", made.ENGLISH["support"], model=model) for model in ("m-a", "m-b")]
    found = discover(mix(*parts, made.chatter(rng, 30, made.ENGLISH["junk"])))
    assert len(found.tasks) == 1


def test_models_tell_tasks_of_the_same_inputs_apart() -> None:
    rng = random.Random(6)
    texts = [made.filled(rng, made.ENGLISH["support"])[0] for _ in range(600)]
    moods = ["calm", "angry", "unsure"]
    calls = mix(
        [call("topic", [user(t)], made.ENGLISH["support"]["item"][_item(t)], model="tuned-a") for t in texts[:300]],
        [call("mood", [user(t)], rng.choice(moods), model="tuned-b", temperature=0) for t in texts[300:]],
    )
    found = discover(calls)
    assert agreement(found, calls) >= 0.95


def _item(text: str) -> str:
    return next(item for item in made.ENGLISH["support"]["item"] if item in text)


def test_labels_of_one_task_are_never_divided_by_topic_alone() -> None:
    rng = random.Random(7)
    topics = {
        label: [f"{label}{i}" for i in range(12)] for label in ("sport", "law", "music", "space", "health", "trade")
    }
    shared = ["please", "sort", "this", "note", "about", "our", "report", "today", "for", "the", "team", "thanks"]
    calls: list[Call] = []
    for _ in range(600):
        label = rng.choice(sorted(topics))
        text = " ".join([*rng.sample(shared, 4), *rng.sample(topics[label], 4), *rng.sample(shared, 2)])
        calls.append(call("topic", [user(text)], label))
    found = discover(mix(calls))
    assert len(found.tasks) == 1


def test_a_later_run_keeps_bare_tasks_as_they_are() -> None:
    calls = bare_log(made.ENGLISH, 8)
    first = discover(calls)
    again = discover(calls, previous=first.tasks)
    assert again.tasks == first.tasks
    assert again.assignments == first.assignments
    assert discover(calls) == first
    later = discover(bare_log(made.ENGLISH, 9), previous=first.tasks)
    assert {t.id: t.name for t in later.tasks} == {t.id: t.name for t in first.tasks}
    assert {x.id for t in later.tasks for x in t.templates} == {x.id for t in first.tasks for x in t.templates}


def test_a_profile_is_small_holds_no_words_and_survives_json() -> None:
    found = discover(bare_log(made.ENGLISH, 10))
    encoded = msgspec.json.encode(found.tasks)
    assert msgspec.json.decode(encoded, type=tuple[Task, ...]) == found.tasks
    assert len(encoded) <= 12_000 * len(found.tasks)
    for task in found.tasks:
        kept = msgspec.json.encode([msgspec.structs.replace(task, name="", why="")])
        assert b"router" not in kept
        assert b"Lisbon" not in kept


def test_a_bare_call_of_another_shape_stays_near_its_task() -> None:
    found = discover(bare_log(made.ENGLISH, 11))
    matcher = TaskMatcher(found.tasks)
    text = "Hello, the router was lost yesterday"
    plain = matcher.match(json.dumps({"messages": [user(text)]}).encode())
    assert plain is not None
    for other in (
        {"messages": [user(text)], "response_format": {"type": "json_object"}},
        {"messages": [system("Be quick."), user(text)]},
        {"messages": [user(text)], "tools": [{"type": "function", "function": {"name": "f"}}]},
    ):
        match = matcher.match(json.dumps(other).encode())
        assert match is not None
        assert (match.task_id, match.template_id, match.how) == (plain.task_id, "", "nearest")


def test_a_declared_bare_task_needs_no_reading() -> None:
    found = discover(bare_log(made.ENGLISH, 12))
    task = found.tasks[0]
    match = TaskMatcher(found.tasks).match(json.dumps({"messages": [user("zzz qqq")]}).encode(), declared=task.name)
    assert match is not None
    assert (match.task_id, match.template_id, match.how) == (task.id, task.templates[0].id, "declared")
