"""JSON answers: reading them strictly, taking them apart into leaves, and writing them as the teacher does."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

Json = Any
"""Whatever `json.loads` returns."""

Path = tuple[str | int, ...]
"""Keys and list positions from the root of an answer to one of its leaves."""

MAX_DEPTH = 40

_FENCE = re.compile(r"\A(\s*```[\w-]*[ \t]*\n)(.*?)(\n?```\s*)\Z", re.DOTALL)
_SEPARATORS = ((", ", ": ", 0), (",", ":", 0), (", ", ": ", 2), (", ", ": ", 4), (",", ": ", 2))


class Style(msgspec.Struct, frozen=True):
    """How a teacher writes its JSON: separators, indentation, escapes, and what stands around it (a code fence)."""

    item: str = ", "
    key: str = ": "
    indent: int = 0
    ascii_only: bool = False
    before: str = ""
    after: str = ""

    def write(self, value: Json) -> str:
        """The text of an answer."""
        separators = (self.item.rstrip() if self.indent else self.item, self.key)
        body = json.dumps(
            value, ensure_ascii=self.ascii_only, indent=self.indent or None, separators=separators, allow_nan=False
        )
        return f"{self.before}{body}{self.after}"


def read(text: str) -> Json:
    """Read an answer, inside a code fence or not.

    Raises:
        ValueError: it is not JSON, names a key twice, holds NaN or a number too large, or nests too deeply to be read.
    """
    fenced = _FENCE.match(text)
    try:
        return json.loads(
            fenced.group(2) if fenced else text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def canonical(value: Json) -> str:
    """One text per JSON value: keys sorted, no spaces. Keeps 1, 1.0 and true apart."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def style_of(answers: Iterable[str]) -> Style:
    """The style that writes most of the answers exactly as they are, given their own order of keys."""
    votes: Counter[Style] = Counter()
    for text in answers:
        fenced = _FENCE.match(text)
        before, body, after = fenced.groups() if fenced else ("", text, "")
        lead, trail = len(body) - len(body.lstrip()), len(body) - len(body.rstrip())
        before, after = before + body[:lead], (body[len(body) - trail :] if trail else "") + after
        value = read(text)
        for item, key, indent in _SEPARATORS:
            for ascii_only in (False, True):
                style = Style(item, key, indent, ascii_only, before, after)
                if style.write(value) == text:
                    votes[style] += 1
    return max(votes.items(), key=lambda pair: pair[1])[0] if votes else Style()


def leaves(value: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """The leaves of an answer, in the order they are written.

    A leaf is a scalar, a list of scalars, or an empty object. Lists that hold objects or lists are taken apart by
    position.

    Raises:
        ValueError: it nests deeper than any answer should.
    """
    if len(path) > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from leaves(child, (*path, key))
    elif isinstance(value, list) and any(isinstance(child, dict | list) for child in value):
        for position, child in enumerate(value):
            yield from leaves(child, (*path, position))
    else:
        yield path, value


def assemble(parts: Mapping[Path, Json], empty: Json) -> Json:
    """The answer that has these leaves, keys in the mapping's order. `empty` is the answer without any leaf.

    Raises:
        ValueError: the leaves contradict each other or leave a gap in a list.
    """
    if not parts:
        return empty
    if () in parts:
        if len(parts) > 1:
            raise ValueError("a root value beside other leaves")
        return parts[()]
    return _subtree([(path, value) for path, value in parts.items()], 0)


def pointer(path: Path) -> str:
    """A JSON pointer (RFC 6901), list positions written as `[n]` so that they differ from keys."""
    steps = [f"[{s}]" if isinstance(s, int) else s.replace("~", "~0").replace("/", "~1") for s in path]
    return "".join(f"/{step}" for step in steps)


def _subtree(parts: list[tuple[Path, Json]], depth: int) -> Json:
    if len(parts) == 1 and len(parts[0][0]) == depth:
        return parts[0][1]
    groups: dict[str | int, list[tuple[Path, Json]]] = {}
    for path, value in parts:
        if len(path) == depth:
            raise ValueError("a leaf that has leaves")
        groups.setdefault(path[depth], []).append((path, value))
    if all(isinstance(step, int) for step in groups):
        if set(groups) != set(range(len(groups))):
            raise ValueError("a gap in a list")
        return [_subtree(groups[position], depth + 1) for position in range(len(groups))]
    if any(isinstance(step, int) for step in groups):
        raise ValueError("positions beside keys")
    return {str(step): _subtree(group, depth + 1) for step, group in groups.items()}


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key is named twice")
    return out


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number beyond a double")
    return number


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")
