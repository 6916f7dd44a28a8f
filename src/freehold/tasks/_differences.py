"""What a newer contract says otherwise than an older one, clause by clause, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Literal

import msgspec

from freehold.vocabulary import Contract

from ._clauses import LATENCY_MS, kinds, listed, shown

Kind = Literal["added", "removed", "loosened", "tightened", "changed"]


class Difference(msgspec.Struct, frozen=True):
    """One clause that is not as it was.

    `added`: there was no such clause; `removed`: there is none any more; `loosened`: answers may do more than before;
    `tightened`: less; `changed`: neither includes the other.
    """

    kind: Kind
    clause: str
    text: str


def differences(old: Contract, new: Contract) -> tuple[Difference, ...]:
    """How a contract departs from an older one. Counts of answers and lengths alone make no difference."""
    if old.form != new.form:
        return (Difference("changed", "form", f"answers are {new.form}, no longer {old.form}"),)
    found = [
        *_sets("labels", old.labels, new.labels),
        *_schemas(old.json_schema or {}, new.json_schema or {}, ""),
        *_sets("known tools", old.tools, new.tools),
        *(
            Difference(one.kind, f"{name}: {one.clause}", one.text)
            for name in sorted(old.tools.keys() & new.tools.keys())
            for one in _schemas(old.tools[name], new.tools[name], "")
        ),
        *_sets("finish reason", old.finish_reasons, new.finish_reasons),
        *_sets("language", old.languages, new.languages),
        *_latency(old.latency_class, new.latency_class),
    ]
    return tuple(found)


def _sets(clause: str, old: Collection[str], new: Collection[str]) -> Iterator[Difference]:
    """A closed set: with more in it, it is looser. An empty one is no clause."""
    more, fewer = sorted(set(new) - set(old)), sorted(set(old) - set(new))
    if not old and new:
        yield Difference("added", clause, f"only {listed(sorted(new))}")
    elif old and not new:
        yield Difference("removed", clause, f"no longer only {listed(sorted(old))}")
    else:
        if more:
            yield Difference("loosened", clause, f"also {listed(more)}")
        if fewer:
            yield Difference("tightened", clause, f"no longer {listed(fewer)}")


def _latency(old: str, new: str) -> Iterator[Difference]:
    if old == new:
        return
    if not old or not new:
        yield Difference("added" if new else "removed", "latency", f"class {new or old}")
        return
    slower = LATENCY_MS[new] > LATENCY_MS[old]
    yield Difference("loosened" if slower else "tightened", "latency", f"class {new}, no longer {old}")


def _schemas(old: dict[str, Any], new: dict[str, Any], at: str) -> Iterator[Difference]:
    place = at or "/"
    yield from _types(old, new, place)
    yield from _sets(f"{place} enum", _enum(old), _enum(new))
    before, after = old.get("format", ""), new.get("format", "")
    if before != after:
        kind = "added" if not before else ("removed" if not after else "changed")
        yield Difference(kind, f"{place} format", f"{after or 'none'}, before: {before or 'none'}")
    yield from _keys(old, new, at)
    if "items" in old and "items" in new:
        yield from _schemas(old["items"], new["items"], f"{at}[]")


def _types(old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[Difference]:
    before, after = _kinds(old), _kinds(new)
    if before == after:
        return
    kind: Kind = "changed"
    if not before or not after:
        kind = "added" if after else "removed"
    elif before < after:
        kind = "loosened"
    elif after < before:
        kind = "tightened"
    yield Difference(kind, f"{place} type", f"{kinds(new)}, before: {kinds(old)}")


def _keys(old: dict[str, Any], new: dict[str, Any], at: str) -> Iterator[Difference]:
    had, has = old.get("properties", {}), new.get("properties", {})
    needed, needs = set(old.get("required", ())), set(new.get("required", ()))
    for key in sorted(had.keys() | has.keys()):
        place = f"{at}/{key}"
        if key not in had:
            yield Difference("added", place, f"a key, {kinds(has[key])}, {'always' if key in needs else 'at times'}")
        elif key not in has:
            yield Difference("removed", place, "a key that no longer comes")
        else:
            if (key in needed) != (key in needs):
                kind: Kind = "tightened" if key in needs else "loosened"
                yield Difference(kind, f"{place} required", "always there" if key in needs else "not always there")
            yield from _schemas(had[key], has[key], place)
    closed, closes = (one.get("additionalProperties") is False for one in (old, new))
    if closed != closes:
        text = "no keys but these" if closes else "other keys may come"
        yield Difference("tightened" if closes else "loosened", f"{at or '/'} no other keys", text)


def _kinds(schema: dict[str, Any]) -> set[str]:
    found: str | list[str] = schema.get("type", [])
    names = {found} if isinstance(found, str) else set(found)
    return names | {"integer"} if "number" in names else names


def _enum(schema: dict[str, Any]) -> list[str]:
    return [shown(value) for value in schema.get("enum", ())]
