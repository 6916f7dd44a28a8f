"""The recorded product: four weeks of an invented bicycle market's support desk, as a log in the "calls" format.

Six tasks of different fate, untagged, in the order of time. The log says what was asked and what the rented model
answered; it holds no verdict, certificate or saving. What comes of it depends on the options: how many calls one
recorded call stands for, how often the teacher errs, on what share a person gave the right answer, and whether the
health messages are restricted.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from . import _texts as texts

MODEL = "gpt-4.1"
START = datetime(2026, 9, 1, tzinfo=UTC)
DAYS_RECORDED = 28


@dataclass(frozen=True)
class ProductOptions:
    """What may be changed about the recorded product.

    `size` scales the number of recorded calls (not what they stand for). `teacher_error` is the share of narrow
    answers that the rented model gets wrong, `gold_share` the share of calls on which a person gave the right answer.
    """

    seed: int = 11
    size: float = 1.0
    teacher_error: float = 0.01
    gold_share: float = 0.25


@dataclass(frozen=True)
class _Row:
    system: str
    user: str
    gold: str
    wrong: tuple[str, ...]
    extra: dict[str, Any]
    judged: bool = True
    gold_factor: float = 1.0


def build(options: ProductOptions) -> list[dict[str, Any]]:
    """The log's lines, oldest first."""
    lines: list[dict[str, Any]] = []
    for task, (make, count) in _TASKS.items():
        rng = random.Random(f"{options.seed}-{task}")
        for number, at in enumerate(_arrivals(max(12, round(count * options.size)), rng)):
            lines.append(_line(f"{task}-{number}", make(rng, at), at, options, rng))
    lines.sort(key=lambda line: (line["started_at"], line["id"]))
    for number, line in enumerate(lines):
        line["id"] = f"call-{number:06d}"  # a name would give the task away
        line["response"]["id"] = f"chatcmpl-{number:06d}"
    return lines


def is_health(line: dict[str, Any]) -> bool:
    """Whether a line belongs to the health desk.

    The demo declares that task restricted and never sends it to a rented model.
    """
    return str(line["request"]["messages"][0]["content"]).startswith(_HEALTH_PROMPT[:40])


def is_health_request(body: bytes) -> bool:
    """The same of a request's body."""
    return _HEALTH_PROMPT[:40].encode() in body


def _arrivals(count: int, rng: random.Random) -> list[datetime]:
    """Arrival times that follow office hours and weekdays."""
    times: list[datetime] = []
    while len(times) < count:
        at = START + timedelta(days=rng.random() * DAYS_RECORDED)
        hour = at.hour + at.minute / 60
        rate = 0.15 + 0.85 * max(0.0, math.sin(math.pi * (hour - 6) / 16)) if 6 <= hour <= 22 else 0.08
        if rng.random() < rate * (0.5 if at.weekday() >= 5 else 1.0):
            times.append(at)
    return sorted(times)


def _fields(rng: random.Random) -> dict[str, str]:
    product, other = rng.sample(texts.PRODUCTS, 2)
    return {
        "product": product,
        "product2": other,
        "first": rng.choice(texts.FIRST_NAMES),
        "last": rng.choice(texts.LAST_NAMES),
        "city": rng.choice(texts.CITIES),
        "day": rng.choice(texts.DAYS),
        "month": rng.choice(texts.MONTHS),
        "order": f"{rng.choice('ABK')}{rng.randrange(10_000, 99_999)}",
        "amount": f"{rng.randrange(5, 900)}.{rng.choice(('00', '50', '90', '95'))}",
        "body": rng.choice(texts.BODY),
        "number": str(rng.choice((7, 14, 30, 60, 90))),
    }


def _message(core: str, rng: random.Random, fields: dict[str, str]) -> str:
    parts = [rng.choice(texts.OPENINGS), f"{core}.", rng.choice(texts.DETAILS), rng.choice(texts.CLOSINGS)]
    if rng.random() < 0.3:
        parts[1], parts[2] = parts[2], parts[1]
    text = " ".join(part for part in parts if part).format(**fields)
    return _typo(text, rng) if rng.random() < 0.08 else text


def _typo(text: str, rng: random.Random) -> str:
    at = rng.randrange(1, max(2, len(text) - 1))
    return text[:at] + text[at + 1 :]


def _sorting(rng: random.Random, at: datetime) -> _Row:
    labels = tuple(sorted(texts.QUEUES))
    queue = rng.choices(labels, weights=[1 / (rank + 2) for rank in range(len(labels))])[0]
    core = rng.choice(texts.QUEUES[queue])
    if rng.random() < 0.015:  # two matters in one message: nobody can be sure
        core += " and " + rng.choice(texts.QUEUES[rng.choice(labels)])
    system = (
        f"You sort the messages of a bicycle market's customers. Today is {at:%d %B %Y}. Choose the queue that fits "
        "best and answer with its name only.\nQueues: " + ", ".join(labels)
    )
    return _Row(system, _message(core, rng, _fields(rng)), queue, labels, {"temperature": 0})


_ORDER_FORMS = (
    "I am {first} {last} and order {order} is about to come",
    "{order} has not been packed, says the app, my name is {last}",
    "regarding the {product} for {amount} euros, order {order}",
    "this is {first}, I paid {amount} for a {product} on {day}",
    "please look at {order}",
    "{first} {last}, {city}, the {product} bought on {day}",
    "I bought a {product}",
    "{amount} euros were taken on {day} for {order}",
    "a question about {order}, under the name of {last}",
    "hello, {first} here, it is about the {product}",
)


_ORDER_KEYS = {
    "order": "order",
    "first": "first_name",
    "last": "last_name",
    "amount": "amount",
    "product": "product",
    "day": "day",
}


def _extraction(rng: random.Random, at: datetime) -> _Row:
    fields = _fields(rng)
    form = rng.choice(_ORDER_FORMS)
    stated = {key: fields[slot] for slot, key in _ORDER_KEYS.items() if "{" + slot + "}" in form}
    opening = rng.choice(("", "", "Hi, ", "Good morning, ", "Hello, "))
    text = opening + form.format(**fields) + rng.choice((".", ".", ", thanks.", ". Can you help?", ""))
    forgotten = rng.choice(list(stated))
    incomplete = {key: value for key, value in stated.items() if key != forgotten}
    return _Row(
        "Read the customer's message and return a JSON object with what it states, copied word for word: order, "
        f"first_name, last_name, product, amount, day. Leave out what is not stated. The year is {at:%Y}.",
        f"Message: {text}",
        json.dumps(stated),
        (json.dumps(incomplete),),
        {"temperature": 0, "response_format": {"type": "json_object"}},
    )


def _reply(rng: random.Random, at: datetime) -> _Row:
    fields = _fields(rng)
    queue = rng.choice(sorted(texts.QUEUES))
    text = _message(rng.choice(texts.QUEUES[queue]), rng, fields)
    names = {"first": fields["first"]}
    answer = " ".join(part.format(**(_fields(rng) | names)) for part in rng.sample(texts.REPLIES, 2))
    system = (
        "You answer customers of a bicycle market. Be warm, brief and concrete, promise nothing that the market "
        f"cannot keep, and sign as the support desk. Today is {at:%d %B %Y}."
    )
    return _Row(system, text, answer, (answer,), {"temperature": 0.7}, judged=False)


_HEALTH_PROMPT = (
    "A customer of the market writes about health. Decide which desk must read it first and answer with one of: "
    "allergy_reported, fitness_advice, injury_reported."
)


def _health(rng: random.Random, _at: datetime) -> _Row:
    label = rng.choice(sorted(texts.HEALTH))
    text = _message(rng.choice(texts.HEALTH[label]), rng, _fields(rng))
    labels = tuple(sorted(texts.HEALTH))
    return _Row(_HEALTH_PROMPT, text, label, labels, {"temperature": 0}, gold_factor=2.5)  # people check these more


def _review(rng: random.Random, _at: datetime) -> _Row:
    mood = rng.choice(sorted(texts.MOODS))
    text = ", ".join(rng.sample(texts.MOODS[mood], rng.choice((1, 2)))).format(**_fields(rng))
    return _Row("Is this review happy, neutral or angry? One word.", text, mood, tuple(sorted(texts.MOODS)), {})


def _clause(rng: random.Random, _at: datetime) -> _Row:
    text = rng.choice(texts.CLAUSES).format(**_fields(rng))
    verdict = rng.choice(("accept", "negotiate", "reject"))
    system = "You check clauses of supplier contracts for a bicycle market. Say accept, negotiate or reject."
    return _Row(system, text, verdict, ("accept", "negotiate", "reject"), {"temperature": 0})


_TASKS: dict[str, tuple[Callable[[random.Random, datetime], _Row], int]] = {
    "sorting": (_sorting, 3600),
    "extraction": (_extraction, 1600),
    "replies": (_reply, 350),
    "health": (_health, 1000),
    "reviews": (_review, 900),
    "clauses": (_clause, 24),
}


def _line(key: str, row: _Row, at: datetime, options: ProductOptions, rng: random.Random) -> dict[str, Any]:
    others = [answer for answer in row.wrong if answer != row.gold]
    errs = row.judged and bool(others) and rng.random() < options.teacher_error
    answer = rng.choice(others) if errs else row.gold
    prompt = (len(row.system) + len(row.user)) // 4 + 8
    completion = max(1, len(answer) // 4)
    line: dict[str, Any] = {
        "id": key,
        "started_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "latency_ms": round(240 + 14 * completion * rng.uniform(0.8, 1.3) + rng.expovariate(1 / 90), 1),
        "provider": "openai",
        "request": {
            "model": MODEL,
            "messages": [{"role": "system", "content": row.system}, {"role": "user", "content": row.user}],
            **row.extra,
        },
        "response": _response(key, answer, at, prompt, completion),
    }
    if row.judged and rng.random() < options.gold_share * row.gold_factor:
        line["gold"] = row.gold
    return line


def _response(key: str, answer: str, at: datetime, prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": answer}
    return {
        "id": key,
        "object": "chat.completion",
        "created": int(at.timestamp()),
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def lines_as_bytes(lines: list[dict[str, Any]]) -> Iterator[bytes]:
    """The lines of a log file."""
    for line in lines:
        yield json.dumps(line, ensure_ascii=False).encode() + b"\n"
