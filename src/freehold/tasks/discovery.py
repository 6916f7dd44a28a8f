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

from freehold.vocabulary import Call, Match, Task, Template

from ._answers import Parsed
from ._clusters import Cluster, clustered, merged
from ._heads import Head, heads, leading_systems, spread
from ._layouts import joined
from .describing import counted
from .kinds import kind_of
from .matching import TaskMatcher
from .naming import name_task, prompt_words, unique_names

_SAMPLE = 6000
_ROUNDS = 4
_EXAMINED = 2000
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
    seen = sorted(heads(calls), key=lambda head: (head.started_at_us, head.id))
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
    clusters = joined(clusters)
    for cluster in clusters:
        cluster.refine(smallest)
    return _finished(seen, clusters, previous)


def _mined(sample: list[Head], smallest: int) -> list[Cluster]:
    groups: defaultdict[tuple[str, str, bool], list[Head]] = defaultdict(list)
    for head in sample:
        groups[head.view.tools, head.view.schema, leading_systems(head.view) > 0].append(head)
    by_shape: defaultdict[tuple[str, str], list[Cluster]] = defaultdict(list)
    for (tools, schema, _), members in sorted(groups.items()):
        if len(members) >= smallest:
            found = clustered(members, tools, schema, smallest)
            # a prompt that stands in the user's message here and in a system message there is one task
            known = by_shape[tools, schema]
            by_shape[tools, schema] = merged(known, found) if known else found
    return [cluster for clusters in by_shape.values() for cluster in clusters]


def _unmatched(seen: list[Head], clusters: Sequence[Cluster]) -> list[Head]:
    """Calls that fit no template; the answers of the others are kept with their cluster as evidence."""
    for cluster in clusters:
        if not cluster.seen:
            cluster.heads = []  # those it was mined from; they come again now, and once is enough
    matcher = TaskMatcher([cluster.draft_task(str(i)) for i, cluster in enumerate(clusters)])
    left: list[Head] = []
    for head in seen:
        match = matcher.match_view(head.view)
        cluster = clusters[int(match.task_id)] if match is not None else None
        if match is None or cluster is None or not (match.how == "template" or cluster.explains(head)):
            left.append(head)
        else:
            cluster.take(head)
    return left


class _Tally(msgspec.Struct):
    """What the final matching found of one cluster."""

    n: int = 0
    by_template: Counter[str] = msgspec.field(default_factory=Counter[str])
    sample: list[tuple[Parsed, tuple[str, ...]]] = []


def _finished(seen: list[Head], clusters: list[Cluster], previous: Sequence[Task]) -> Discovery:
    """Match every call once more, now as the gateway will, and make tasks of what was found."""
    matcher = TaskMatcher([cluster.draft_task(str(i)) for i, cluster in enumerate(clusters)])
    tallies = [_Tally() for _ in clusters]
    matches: list[tuple[str, Match]] = []
    for head in seen:
        match = matcher.match_view(head.view)
        if match is None:
            continue
        matches.append((head.id, match))
        tally = tallies[int(match.task_id)]
        tally.n += 1
        tally.by_template[match.template_id] += 1
        if head.answer is not None and match.template_id and len(tally.sample) < _EXAMINED:
            tally.sample.append((head.answer, match.inputs))
    tasks = _tasks(clusters, tallies, {task.id: task for task in previous})
    ids = {str(i): task.id for i, task in tasks.items()}
    kept = ((call, match) for call, match in matches if match.task_id in ids)
    assignments = {call: msgspec.structs.replace(match, task_id=ids[match.task_id]) for call, match in kept}
    named = sorted(tasks.values(), key=lambda task: (-task.n_calls, task.id))
    return Discovery(tuple(named), assignments, len(seen))


def _tasks(clusters: list[Cluster], tallies: list[_Tally], known: dict[str, Task]) -> dict[int, Task]:
    """Tasks by the place of their cluster, named so that no two have one name."""
    common = _common_words(clusters)
    found: dict[int, Task] = {}
    for i, (cluster, tally) in enumerate(zip(clusters, tallies, strict=True)):
        used = [t for t in cluster.templates if tally.by_template[t.id] or cluster.task_id]
        used.sort(key=lambda t: (-tally.by_template[t.id], t.id))
        before = known.get(cluster.task_id)
        if used or before is not None:
            found[i] = _task(tuple(used), tally, before, common)
    order = sorted(found, key=lambda i: (found[i].id not in known, -found[i].n_calls, found[i].id))
    return dict(zip(order, unique_names([found[i] for i in order]), strict=True))


def _task(templates: tuple[Template, ...], tally: _Tally, known: Task | None, common: frozenset[str]) -> Task:
    if known is not None:
        return counted(msgspec.structs.replace(known, templates=templates), tally.n, tally.by_template)
    answers = [answer for answer, _ in tally.sample]
    inputs = [texts for _, texts in tally.sample]
    kind = kind_of([answer.text for answer in answers], inputs, tools=bool(templates[0].tools))
    task = Task(
        id=f"t{templates[0].id[1:]}",
        name=name_task(templates, answers, kind, common),
        kind=kind,
        templates=templates,
        n_calls=tally.n,
        confidence=0.0,
        why="",
    )
    return counted(task, tally.n, tally.by_template)


def _common_words(clusters: Sequence[Cluster]) -> frozenset[str]:
    """Words that many tasks' prompts hold: they name none of them."""
    spread: Counter[str] = Counter()
    for cluster in clusters:
        spread.update({word for template in cluster.templates for word in prompt_words(template)})
    return frozenset(word for word, count in spread.items() if count > max(1, len(clusters) // 3))
