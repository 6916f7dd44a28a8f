"""Persons' decisions, and that they survive the next run."""

from __future__ import annotations

import pytest

from freehold.errors import UsageError
from freehold.tasks.edits import Decision, apply
from freehold.vocabulary import Task, Template

TASKS = (
    Task("ta", "sort", "classification", (Template("v1", (), n_calls=6), Template("v2", (), n_calls=4)), 10, 1.0, ""),
    Task("tb", "extract", "extraction", (Template("v3", (), n_calls=5),), 5, 1.0, ""),
)


def by_id(tasks: tuple[Task, ...]) -> dict[str, Task]:
    return {task.id: task for task in tasks}


def test_rename_tag_merge_and_split() -> None:
    decisions = [
        Decision("rename", "tb", name="Guest Details"),
        Decision("tag", "tb", tags=("vip",)),
        Decision("split", "ta", name="new prompt", templates=("v2",)),
    ]
    found = by_id(apply(TASKS, decisions))
    assert (found["tb"].name, found["tb"].named_by, found["tb"].tags) == ("guest_details", "person", ("vip",))
    assert [task.n_calls for task in found.values()] == [6, 5, 4]
    merged = apply(TASKS, [Decision("merge", "ta", others=("tb",))])
    assert [t.id for t in merged[0].templates] == ["v1", "v2", "v3"]
    assert (len(merged), merged[0].n_calls) == (1, 15)


def test_decisions_apply_again_to_a_later_run() -> None:
    decisions = [Decision("rename", "ta", name="triage"), Decision("split", "ta", name="fresh", templates=("v2",))]
    once = apply(TASKS, decisions)
    assert apply(once, decisions) == once
    assert apply(TASKS[:1], [*decisions, Decision("tag", "gone", tags=("x",))]) == tuple(
        t for t in once if t.id != "tb"
    )


def test_names_stay_unique() -> None:
    found = by_id(apply(TASKS, [Decision("rename", "tb", name="sort")]))
    assert found["tb"].name == "sort"
    assert found["ta"].name != "sort"
    with pytest.raises(UsageError):
        apply(TASKS, [Decision("rename", "tb", name="sort"), Decision("rename", "ta", name="sort")])
    with pytest.raises(UsageError):
        apply(TASKS, [Decision("rename", "tb", name="!!!")])
