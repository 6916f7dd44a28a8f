"""Invented tasks that are answered in JSON: pairs of inputs and answers, drawn with a fixed seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from freehold.vocabulary import Contract, Example

Pair = tuple[tuple[str, ...], object]
JSON_CONTRACT = Contract(version="1", form="json", n_answers=0)

SYLLABLES = ["ka", "lo", "mi", "ra", "ten", "vos", "bel", "dun", "fir", "sol", "gan", "hu", "pe", "zor", "nim"]


def name(rng: random.Random) -> str:
    return "".join(rng.choices(SYLLABLES, k=rng.randint(2, 3))).capitalize()


def examples(make: Callable[[random.Random], Pair], n: int, seed: int = 0, **style: object) -> list[Example]:
    rng = random.Random(seed)
    out: list[Example] = []
    for i in range(n):
        inputs, answer = make(rng)
        text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, **style)  # type: ignore[arg-type]
        out.append(Example(f"e{i:05d}", inputs, text))
    return out


def order(rng: random.Random) -> Pair:
    """An enum that decides which values are copied; copied free text; a boolean."""
    kind = rng.choice(["buy", "cancel", "ask"])
    who, what, urgent = name(rng), f"{name(rng)} {rng.choice(['lamp', 'chair', 'desk'])}", rng.random() < 0.3
    tail = (
        rng.choice([" Please hurry!", " It is urgent."]) if urgent else rng.choice(["", " Thanks.", " Take your time."])
    )
    if kind == "buy":
        count = rng.randint(1, 90)
        text = f"{who} here, I would like to order {count} of the {what}.{tail}"
        return (text,), {"kind": kind, "urgent": urgent, "fields": {"customer": who, "item": what, "count": str(count)}}
    if kind == "cancel":
        code = f"{rng.choice('ABC')}{rng.randint(1000, 9999)}"
        text = f"Please cancel order {code}, says {who}.{tail}"
        return (text,), {"kind": kind, "urgent": urgent, "fields": {"customer": who, "code": code}}
    return (f"When do you open, and where?{tail}",), {"kind": kind, "urgent": urgent, "fields": {}}


def invoice(rng: random.Random) -> Pair:
    """German: decimal commas to numbers, dates to ISO, nested objects, a list that is always a list, null."""
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(2020, 2026)
    euros, cents = rng.randint(1, 2_400), rng.randint(0, 99)
    amount = f"{euros // 1000}.{euros % 1000:03d},{cents:02d}" if euros >= 1000 else f"{euros},{cents:02d}"
    number = f"RE-{rng.randint(10000, 99999)}"
    firm = f"{name(rng)} {rng.choice(['GmbH', 'AG', 'KG'])}"
    goods = [name(rng) for _ in range(rng.randint(0, 2))]
    lines = [f"Rechnung {number} vom {day:02d}.{month:02d}.{year}", f"Absender: {firm}", f"Betrag: {amount} EUR"]
    lines += [f"Artikel: {good}" for good in goods]
    skonto = rng.random() < 0.5
    lines.append("Zahlbar mit Skonto." if skonto else "Zahlbar ohne Abzug.")
    answer = {
        "nummer": number,
        "datum": f"{year}-{month:02d}-{day:02d}",
        "absender": {"name": firm, "land": None},
        "betrag": round(euros + cents / 100, 2),
        "artikel": goods,
        "skonto": skonto,
    }
    return ("\n".join(lines),), answer


def japanese(rng: random.Random) -> Pair:
    """No spaces between words."""
    city = "".join(rng.choices("東西南北山川田中村上下松竹梅", k=rng.randint(2, 3)))
    hour = rng.randint(1, 12)
    if rng.random() < 0.5:
        return (f"{hour}時に{city}で会いましょう。",), {"場所": city, "時刻": f"{hour}時"}
    return (f"{city}への行き方を教えてください。",), {"場所": city}


def roster(rng: random.Random) -> Pair:
    """A list of objects, of two lengths."""
    people = [(name(rng), rng.randint(18, 80)) for _ in range(rng.randint(1, 2))]
    text = "Guests: " + " and ".join(f"{who}, aged {age}" for who, age in people) + "."
    return (text,), {"guests": [{"name": who, "age": age} for who, age in people]}


def summary(rng: random.Random) -> Pair:
    """An answer that nothing in the input holds word for word, and that never comes twice."""
    return (f"{name(rng)} met {name(rng)} in {name(rng)}.",), {"summary": f"gist {rng.getrandbits(40):x} of it"}


def with_context(rng: random.Random) -> Pair:
    """Two slots: what was asked decides what a bare number is."""
    asked = rng.choice(["size", "age"])
    number = rng.randint(10, 60)
    reply = rng.choice([f"{number}", f"it is {number}", f"{number} I think"])
    return (f"{asked}", reply), {asked: f"{number}"}
