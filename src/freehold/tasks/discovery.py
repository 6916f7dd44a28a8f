"""Find the recurring tasks in traffic that nobody has tagged.

Calls are sorted by what cannot be the same task (another tool list, another response schema), then into families by
the text their prompts share, then aligned into templates; answers decide where text leaves it open. Deterministic:
the same calls give the same tasks with the same ids. With `previous` tasks, calls that those recognise stay theirs, so
that ids, names and persons' edits outlive new traffic. What it does not promise: that a person would draw the line
between two tasks at the same place.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from freehold.vocabulary import Call, Match, Task

from ._clusters import Cluster, clustered, merged
from ._heads import Head, heads, spread
from .kinds import kind_of
from .matching import TaskMatcher
from .naming import name_task, unique_names

_SAMPLE = 6000
_ROUNDS = 4
SMALLEST = 10


class Discovery(msgspec.Struct, frozen=True):
    """Tasks, largest first, and the assignment of calls to them.

    `assignments` maps a call's id to its match; calls that belong to no task are missing. `n_calls` counts all chat
    calls looked at.
    """

    tasks: tuple[Task, ...]
    assignments: dict[str, Match]
    n_calls: int

    @property
    def assigned_share(self) -> float:
        """Share of the calls that belong to a task."""
        return len(self.assignments) / self.n_calls if self.n_calls else 0.0


def discover(calls: Iterable[Call], *, previous: Sequence[Task] = (), smallest: int = SMALLEST) -> Discovery:
    """Find the tasks of these calls.

    Args:
        calls: chat completion calls; others are passed over.
        previous: tasks known from earlier runs. They are kept, with their ids and names, and gain templates.
        smallest: fewest calls that make a task.
    """
    seen = heads(calls)
    clusters = [Cluster.of_task(task) for task in previous]
    remaining = _unmatched(seen, clusters)
    for round_number in range(_ROUNDS):
        sample = spread(remaining, _SAMPLE, seed=round_number)
        found = _mined(sample, smallest)
        if not found:
            break
        clusters = merged(clusters, found)
        before = len(remaining)
        remaining = _unmatched(remaining, clusters)
        if len(remaining) < smallest or before - len(remaining) < smallest:
            break
    for cluster in clusters:
        cluster.refine(smallest)
    return _finished(seen, clusters, previous)


def _mined(sample: list[Head], smallest: int) -> list[Cluster]:
    groups: defaultdict[tuple[str, str], list[Head]] = defaultdict(list)
    for head in sample:
        groups[head.view.tools, head.view.schema].append(head)
    return [
        cluster
        for (tools, schema), members in sorted(groups.items())
        if len(members) >= smallest
        for cluster in clustered(members, tools, schema, smallest)
    ]


def _unmatched(seen: list[Head], clusters: Sequence[Cluster]) -> list[Head]:
    """Calls that fit no template; the answers of the others are kept with their cluster as evidence."""
    matcher = TaskMatcher([cluster.draft_task(str(i)) for i, cluster in enumerate(clusters)])
    left: list[Head] = []
    for head in seen:
        match = matcher.match_view(head.view)
        if match is None or match.how != "template":
            left.append(head)
        else:
            clusters[int(match.task_id)].take(head)
    return left


def _finished(seen: list[Head], clusters: list[Cluster], previous: Sequence[Task]) -> Discovery:
    drafts = [cluster.draft_task(str(i)) for i, cluster in enumerate(clusters)]
    matcher = TaskMatcher(drafts)
    counts: Counter[str] = Counter()
    by_template: Counter[str] = Counter()
    matches: list[tuple[str, Match]] = []
    sampled: defaultdict[int, list[tuple[Head, Match]]] = defaultdict(list)
    for head in seen:
        match = matcher.match_view(head.view)
        if match is None:
            continue
        matches.append((head.id, match))
        counts[match.task_id] += 1
        by_template[f"{match.task_id}/{match.template_id}"] += 1
        sampled[int(match.task_id)].append((head, match))
    known = {task.id: task for task in previous}
    tasks: list[tuple[int, Task]] = []
    for i, cluster in enumerate(clusters):
        n = counts[str(i)]
        templates = tuple(
            msgspec.structs.replace(t, n_calls=by_template[f"{i}/{t.id}"])
            for t in cluster.templates
            if by_template[f"{i}/{t.id}"] or cluster.task_id
        )
        if not templates:
            continue
        tasks.append((i, _task(cluster, templates, n, sampled[i], known.get(cluster.task_id))))
    tasks.sort(key=lambda pair: (-pair[1].n_calls, pair[1].id))
    named = unique_names([task for _, task in tasks])
    ids = {str(i): task.id for (i, _), task in zip(tasks, named, strict=True)}
    assignments = {
        call: msgspec.structs.replace(match, task_id=ids[match.task_id])
        for call, match in matches
        if match.task_id in ids
    }
    return Discovery(tuple(named), assignments, len(seen))


def _task(cluster: Cluster, templates: tuple, n: int, sampled: list[tuple[Head, Match]], known: Task | None) -> Task:
    exact = sum(t.n_calls for t in templates) / n if n else 0.0
    chosen = [(head, match) for head, match in sampled if head.answer is not None and match.template_id][:2000]
    kind = kind_of(
        [h.answer.text for h, _ in chosen if h.answer], [m.inputs for _, m in chosen], tools=bool(templates[0].tools)
    )
    if known is not None:
        return msgspec.structs.replace(known, templates=templates, n_calls=n, confidence=round(exact, 4))
    name = name_task(templates, [head.answer for head, _ in chosen if head.answer is not None], kind)
    return Task(
        id=f"t{templates[0].id[1:]}",
        name=name,
        kind=kind,
        templates=templates,
        n_calls=n,
        confidence=round(exact, 4),
        why=cluster.why(templates, n, exact),
    )
