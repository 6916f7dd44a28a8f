"""Synthetic traffic whose right tasks are known: each function gives calls of one task, `mix` shuffles them into a log.

Texts are made from word lists, so that the tests need no data; `truth` is the task's key in each call's tags.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from freehold.vocabulary import Call

START_US = 1_790_000_000_000_000
PEOPLE = ["Ana", "Bruno", "Chloe", "Dmitri", "Elif", "Farid", "Greta", "Hiro", "Ines", "Jonas", "Kira", "Lena", "Marco"]
ITEMS = ["invoice", "parcel", "password", "refund", "laptop", "contract", "ticket", "kettle", "router", "subscription"]
PLACES = ["Lisbon", "Oslo", "Kyoto", "Quito", "Nairobi", "Hanoi", "Porto", "Turin", "Leeds", "Gdansk", "Perth"]
VERBS = ["lost", "broke", "returned", "ordered", "cancelled", "forgot", "received", "misplaced", "replaced", "upgraded"]
TAILS = ["yesterday", "last week", "on my way home", "before the holidays", "for my sister", "at the office", "again"]
LABELS = {
    "invoice": "billing",
    "refund": "billing",
    "subscription": "billing",
    "password": "access",
    "router": "device",
}


def sentence(rng: random.Random) -> str:
    """A customer's sentence."""
    shapes = [
        "I {verb} the {item} {tail}",
        "{person} {verb} my {item} in {place} {tail}",
        "can you help me, the {item} was {verb} {tail}?",
        "Hello, {person} here. We {verb} a {item} and now the {item2} is gone",
        "{tail} I {verb} two {item}s from {place}",
    ]
    item = rng.choice(ITEMS)
    return rng.choice(shapes).format(
        verb=rng.choice(VERBS),
        item=item,
        item2=rng.choice(ITEMS),
        tail=rng.choice(TAILS),
        person=rng.choice(PEOPLE),
        place=rng.choice(PLACES),
    )


def label_of(text: str) -> str:
    """The right label of a sentence: by the first item in it."""
    found = [item for item in ITEMS if item in text]
    return LABELS.get(found[0], "other") if found else "other"


def record_of(text: str) -> str:
    """The right record of a sentence: the names in it, copied."""
    found = {
        key: next((name for name in names if name in text), None)
        for key, names in (("person", PEOPLE), ("place", PLACES), ("item", ITEMS))
    }
    return json.dumps({key: value for key, value in found.items() if value is not None})


def passage(rng: random.Random, sentences: int = 12) -> str:
    """A retrieved passage."""
    return " ".join(sentence(rng).rstrip("?") + "." for _ in range(sentences))


def call(
    truth: str,
    messages: Sequence[dict[str, Any]],
    answer: str | dict[str, Any],
    *,
    at_s: float = 0.0,
    model: str = "m-large",
    **extra: Any,
) -> Call:
    """One call; `answer` is a text or a whole assistant message."""
    message = answer if isinstance(answer, dict) else {"role": "assistant", "content": answer}
    request = {"model": model, "messages": list(messages), **extra}
    response = {
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    return Call(
        id="",
        started_at_us=START_US + int(at_s * 1e6),
        latency_ms=400.0,
        provider="openai",
        model=model,
        request=json.dumps(request, ensure_ascii=False).encode(),
        response=json.dumps(response, ensure_ascii=False).encode(),
        tags={"truth": truth},
    )


def user(text: str) -> dict[str, str]:
    """A user's message."""
    return {"role": "user", "content": text}


def system(text: str) -> dict[str, str]:
    """A system message."""
    return {"role": "system", "content": text}


def tool(name: str, **properties: str) -> dict[str, Any]:
    """A tool's definition."""
    schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def mix(*groups: Sequence[Call], seed: int = 1) -> list[Call]:
    """One log of all calls in random order, with ids; calls without a time get one, an hour apart from 0 to n."""
    rng = random.Random(seed)
    found = [one for group in groups for one in group]
    rng.shuffle(found)
    for i, one in enumerate(found):
        one.id = f"c{i:06d}"
        if one.started_at_us == START_US:
            one.started_at_us = START_US + i * 60_000_000
    return sorted(found, key=lambda one: (one.started_at_us, one.id))
