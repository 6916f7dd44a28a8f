"""Calls as discovery sees them: the look of the request, the answer, the time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from statistics import median_low

import msgspec
import numpy as np

from freehold.errors import BadRequest
from freehold.vocabulary import Call
from freehold.wire.known import EMBEDDINGS, dialect

from ._align import common_end, common_start
from ._answers import Parsed, parse
from ._request import View, view


class Head(msgspec.Struct):
    """One call. `answer` is None where the call failed: such a call has a task and teaches nothing."""

    id: str
    view: View
    answer: Parsed | None
    started_at_us: int


def heads(calls: Iterable[Call]) -> list[Head]:
    """Look at calls; those whose request cannot be read are left out, and those for embeddings: nobody answers them."""
    found: list[Head] = []
    for call in calls:
        spoken = dialect(call.dialect)
        if spoken is EMBEDDINGS:
            continue
        try:
            request = spoken.decode(call.request).chat
        except BadRequest:
            continue
        text = spoken.answer_text(call.response) if call.outcome == "ok" else None
        found.append(Head(call.id, view(request), None if text is None else parse(text), call.started_at_us))
    return found


def spread(items: Sequence[Head], most: int, seed: int = 0) -> list[Head]:
    """At most so many of the items, drawn evenly over all of them, in random order. The same every time."""
    order = np.random.default_rng(seed).permutation(len(items))[:most]
    return [items[i] for i in order]


def prompt_texts(seen: View) -> list[str]:
    """The messages that can hold a prompt: leading system messages and the first of the others."""
    return list(seen.texts[: leading_systems(seen) + 1])


def leading_systems(seen: View) -> int:
    """How many system messages a request begins with."""
    count = 0
    while count < len(seen.roles) and seen.roles[count] == "system":
        count += 1
    return count


def answer_edges(answers: Sequence[Parsed]) -> tuple[str, str]:
    """What nearly all answers begin and end with: of JSON the braces and the first key, of most others nothing."""
    texts = [answer.text for answer in answers]
    if len(set(texts)) < 2:
        return "", ""
    return common_start(texts), common_end(texts)


def patterned_messages(members: Sequence[Head]) -> tuple[int, bool]:
    """How many messages a prompt's pattern spans, and whether any number of others may follow."""
    lengths = [len(head.view.roles) for head in members]
    if len(set(lengths)) == 1 and len({head.view.roles for head in members}) == 1:
        return lengths[0], False
    usual = median_low(lengths)
    same = [head for head in members if len(head.view.roles) == usual]
    if len(same) >= 0.98 * len(members) and len({head.view.roles for head in same}) == 1:
        return usual, False
    first, last = min(head.view.roles for head in members), max(head.view.roles for head in members)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))), True
