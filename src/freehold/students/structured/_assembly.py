"""From copied spans and closed classes to the answer's JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from ._answers import Json, Path, assemble
from ._copying import apply
from ._document import Document
from ._plan import ABSENT, COPIED, OTHER, Leaf, Plan


class Span(msgspec.Struct, frozen=True):
    """Tokens `first` to `last`, both included, under one of the plan's labels."""

    label: int
    first: int
    last: int


class Copied(msgspec.Struct, frozen=True):
    """A value taken from the input, and the token it began at."""

    value: Json
    first: int


def surface(doc: Document, span: Span) -> str:
    """The text of a span, word for word."""
    slot, start, _ = doc.places[span.first]
    return doc.inputs[slot][start : doc.places[span.last][2]]


def copied_values(plan: Plan, doc: Document, spans: list[Span]) -> dict[int, list[Copied]]:
    """Values by leaf, in the order of the text.

    Raises:
        ValueError: a surface cannot be read as the leaf's transform demands.
    """
    out: dict[int, list[Copied]] = {}
    for span in sorted(spans, key=lambda s: s.first):
        text = surface(doc, span)
        for leaf in plan.labels[span.label]:
            value = apply(plan.leaves[leaf].transform, text)
            if value is None:
                raise ValueError("a surface that is not a value")
            out.setdefault(leaf, []).append(Copied(value, span.first))
    return out


def compose(plan: Plan, copied: Mapping[int, list[Copied]], classes: Mapping[int, str]) -> Json:
    """The answer.

    Raises:
        ValueError: the pieces do not fit together.
    """
    order = list(range(len(plan.leaves)))
    if plan.by_position:
        present = sorted((i for i in order if copied.get(i)), key=lambda i: (copied[i][0].first, i))
        places = iter(present)
        order = [next(places) if copied.get(i) else i for i in order]
    parts: dict[Path, Json] = {}
    for index in order:
        leaf, found = plan.leaves[index], copied.get(index)
        if found:
            parts[leaf.path] = _joined(leaf, [one.value for one in found])
            continue
        text = classes.get(index, ABSENT)
        if text not in (ABSENT, COPIED, OTHER):
            parts[leaf.path] = json.loads(text)
    return _with_containers(plan, parts)


def _joined(leaf: Leaf, values: list[Json]) -> Json:
    if leaf.many == "always":
        return values
    if leaf.many == "never":
        return values[0]
    unique = [value for i, value in enumerate(values) if value not in values[:i]]
    return unique if len(unique) > 1 else unique[0]


def _with_containers(plan: Plan, parts: dict[Path, Json]) -> Json:
    taken = {path[:depth] for path in parts for depth in range(len(path))}
    for container in sorted(plan.containers, key=lambda c: (-len(c.path), c.path)):
        if container.path and container.path not in taken and container.when_empty != ABSENT:
            parts[container.path] = json.loads(container.when_empty)
            taken.update(container.path[:depth] for depth in range(len(container.path)))
    root = next((c.when_empty for c in plan.containers if not c.path), "{}")
    return assemble(parts, json.loads(root or "{}"))
