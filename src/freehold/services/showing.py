"""One task as a person looks at it: why its calls belong together, its versions over time, and calls to judge it by."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import chain, islice

import msgspec

from freehold.errors import MissingPrerequisite
from freehold.tasks.closeness import by_closeness
from freehold.tasks.describing import constant_chars, counted, tools_of
from freehold.tasks.matching import TaskMatcher
from freehold.tasks.sorting import STATED
from freehold.vocabulary import Call, Match, Slot, Task, TaskKind, Template
from freehold.wire.known import dialect

from . import discovering
from ._survey import Sums
from .discovering import constant_text, departures, recall
from .home import Home

_LOOKED_AT = 400
_SHOWN = 3
_TEXT_CHARS = 160
_PROMPT_CHARS = 600
_UNSEALED_LOOKED_AT = 4000


class ShownVersion(msgspec.Struct, frozen=True):
    """One version of the prompt. `share` is of the task's calls; times are of the first and last call that had it."""

    id: str
    calls: int
    share: float
    first_seen: str
    last_seen: str
    constant_chars: int
    text: str


class ShownCall(msgspec.Struct, frozen=True):
    """A call to judge the task by. `closeness` to the task's centre is from 0 to 1; texts are shortened."""

    id: str
    closeness: float
    input: str
    answer: str


class ShownModel(msgspec.Struct, frozen=True):
    """A model that the task's calls asked, and how many did."""

    model: str
    calls: int


class ShownTask(msgspec.Struct, frozen=True):
    """One task, whole.

    prompt       the constant text of its commonest version, slots as {name}; "" where it has none
    tools        names of the tools offered
    schema       name of the response schema
    exact        share of the calls that fit a version exactly; the others are near to one
    stability    how much of the task reruns on half of the calls found again (Jaccard, mean of `reruns`), None if not
                 measured; `stability_calls` were sorted by both
    versions     the commonest first
    typical      closest to the centre of `looked_at` sampled calls; `strangest`: furthest from it
    stated       what the log says of calls without bodies, "" for others
    """

    id: str
    name: str
    kind: TaskKind
    named_by: str
    tags: tuple[str, ...]
    calls: int
    share: float
    why: str
    prompt: str
    tools: tuple[str, ...]
    schema: str
    exact: float
    stability: float | None
    stability_calls: int
    reruns: int
    versions: tuple[ShownVersion, ...]
    models: tuple[ShownModel, ...]
    typical: tuple[ShownCall, ...]
    strangest: tuple[ShownCall, ...]
    looked_at: int
    stated: str = ""


def show(home: Home, name: str) -> ShownTask:
    """Look at one task, as the last discovery left it; nothing is looked for anew.

    Raises:
        MissingPrerequisite: no tasks have been found yet.
        NotFound: there is no such task.
    """
    task = home.task(name)
    seen = recall(home)
    if seen is None:
        raise MissingPrerequisite("the calls have not been looked through yet", hint="freehold tasks")
    sums = discovering.sums_of(home, seen)
    calls = sums.by_task[task.id]
    typical, strangest, looked_at = _examples(home, task)
    first = max(task.templates, key=lambda one: (sums.by_template[one.id], one.id), default=None)
    stable = seen.stability
    models = sums.models.get(task.id, Counter[str]())
    return ShownTask(
        id=task.id,
        name=task.name,
        kind=task.kind,
        named_by=task.named_by,
        tags=task.tags,
        calls=calls,
        share=calls / seen.calls if seen.calls else 0.0,
        why=counted(task, calls, sums.by_template).why,
        prompt=_prompt(first) if first is not None else "",
        tools=tuple(sorted({tool for one in task.templates for tool in tools_of(one)})),
        schema=first.schema.partition("#")[0] if first is not None else "",
        exact=sum(sums.by_template[one.id] for one in task.templates) / calls if calls else 0.0,
        stability=stable.by_task.get(task.id) if stable is not None else None,
        stability_calls=stable.calls if stable is not None else 0,
        reruns=stable.reruns if stable is not None else 0,
        versions=_versions(task, sums, calls),
        models=tuple(ShownModel(model or "unknown", n) for model, n in models.most_common()),
        typical=typical,
        strangest=strangest,
        looked_at=looked_at,
        stated=task.stated,
    )


def _versions(task: Task, sums: Sums, calls: int) -> tuple[ShownVersion, ...]:
    templates = sorted(task.templates, key=lambda one: (-sums.by_template[one.id], one.id))
    texts = departures([constant_text(one) for one in templates], chars=_TEXT_CHARS) if templates else []
    return tuple(
        ShownVersion(
            id=one.id,
            calls=sums.by_template[one.id],
            share=sums.by_template[one.id] / calls if calls else 0.0,
            first_seen=_time(sums.seen[one.id][0]) if one.id in sums.seen else "",
            last_seen=_time(sums.seen[one.id][1]) if one.id in sums.seen else "",
            constant_chars=constant_chars(one),
            text=text,
        )
        for one, text in zip(templates, texts, strict=True)
    )


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="seconds")


def _prompt(template: Template) -> str:
    """A template as text: literals as they are, slots by name."""
    messages: list[str] = []
    for pattern in template.messages:
        pieces = ("{" + piece.name + "}" if isinstance(piece, Slot) else piece for piece in pattern.pieces)
        messages.append(f"{pattern.role}: {' '.join(''.join(pieces).split())}")
    return shortened("\n".join(messages), _PROMPT_CHARS)


def _examples(home: Home, task: Task) -> tuple[tuple[ShownCall, ...], tuple[ShownCall, ...], int]:
    store = home.ledger.recognised
    kinds = [STATED + task.stated] if task.stated else [template.id for template in task.templates]
    most = max(8, _LOOKED_AT // max(1, len(kinds)))
    places = store.sampled(kinds, most=most) if home.until_us is None else {}
    unsealed = islice(store.unsealed(), _UNSEALED_LOOKED_AT)
    matcher = TaskMatcher(home.registry.tasks())
    found: dict[str, tuple[str, str]] = {}
    for call in chain(store.calls_at(chain.from_iterable(places.values())), unsealed):
        match = matcher.match_call(call)
        if match is not None and match.task_id == task.id and len(found) < _LOOKED_AT:
            found[call.id] = _texts(call, match)
    if task.stated:
        return (), (), len(found)
    ranked = by_closeness([(call_id, f"{asked}\n{answered}") for call_id, (asked, answered) in found.items()])
    shown = [ShownCall(one.call_id, one.value, *map(shortened, found[one.call_id])) for one in ranked]
    few = min(_SHOWN, len(shown) // 2)
    return tuple(shown[:few]), tuple(reversed(shown[len(shown) - few :])), len(found)


def _texts(call: Call, match: Match) -> tuple[str, str]:
    answer = dialect(call.dialect).answer_text(call.response) if call.outcome == "ok" else None
    return "\n".join(match.inputs), answer if answer is not None else f"({call.outcome})"


def shortened(text: str, most: int = _TEXT_CHARS) -> str:
    """A text on few lines, cut in the middle where it is long: what people ask often comes last."""
    plain = "\n".join(" ".join(line.split()) for line in text.split("\n") if line.strip())
    if len(plain) <= most:
        return plain
    head = most * 2 // 3
    return f"{plain[:head]} ... {plain[head + 5 - most :]}"
