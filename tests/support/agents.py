"""An agent's calls: a made-up product whose runs have parallel calls, loops of varying length and an optional step."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from tests.support import homes

FEATURE = "concierge"
KINDS = {
    "booking": ("table", "reserve", "tonight", "seats", "window", "guests"),
    "billing": ("invoice", "charge", "refund", "receipt", "paid", "card"),
    "travel": ("train", "flight", "platform", "luggage", "boarding", "delay"),
}
MOODS = {
    "calm": ("please", "thanks", "whenever", "kindly", "gladly", "sure"),
    "cross": ("again", "unacceptable", "still", "furious", "finally", "third"),
}
SOURCES = {
    "calendar": ("when", "date", "hour", "weekday", "slot", "schedule"),
    "ledger": ("amount", "balance", "total", "owed", "sum", "due"),
    "done": ("enough", "complete", "known", "settled", "clear", "finish"),
}
_FILLERS = ("about", "with", "for", "my", "the", "near", "from", "and", "this", "our")
SORT = "Sort the guest's message into booking, billing or travel. Answer with one word."
MOOD = "Say in one word how the guest feels: calm or cross."
STEP = "Choose where the assistant looks next: calendar, ledger or done. Answer with one word."
REPLY = "Write the reply that the assistant sends to the guest, in two friendly sentences."


def saying(rng: random.Random, words: dict[str, tuple[str, ...]], label: str, n: int) -> str:
    """A phrase that speaks of a label."""
    said = [rng.choice(_FILLERS) for _ in range(4)] + [rng.choice(words[label]) for _ in range(3)]
    rng.shuffle(said)
    return f"{' '.join(said)} {n}"


def run(
    n: int, at: datetime, rng: random.Random, *, hard: float = 0.0, gold: float = 0.0, feature: str = FEATURE
) -> list[dict[str, Any]]:
    """One run: sort and mood side by side, some looks one after the other, and mostly a reply.

    In a share `hard` of the runs every answer of the teacher is a coin's: nobody can learn those.
    """
    trace = f"{rng.getrandbits(128):032x}"
    is_hard = rng.random() < hard
    made: list[dict[str, Any]] = []

    def call(
        name: str, system: str, words: dict[str, tuple[str, ...]], label: str, begun_s: float, took: float
    ) -> None:
        answer = rng.choice(list(words)) if is_hard else label
        right = label if rng.random() < gold else None
        begun = at + timedelta(seconds=begun_s)
        one = homes.line(f"{feature}-{n}-{name}", system, saying(rng, words, label, n), answer, begun, gold=right)
        made.append(one | {"latency_ms": took * 1000})

    sorting, mood = rng.uniform(0.5, 0.9), rng.uniform(0.2, 0.4)
    call("sort", SORT, KINDS, rng.choice(list(KINDS)), 0.0, sorting)
    call("mood", MOOD, MOODS, rng.choice(list(MOODS)), 0.01, mood)
    clock = sorting + 0.05
    for look in range(1 + min(8, int(rng.expovariate(0.6)))):
        took = rng.uniform(0.3, 0.7)
        call(f"look{look}", STEP, SOURCES, rng.choice(list(SOURCES)), clock, took)
        clock += took + rng.uniform(0.05, 0.3)
    if rng.random() < 0.9:
        text = " ".join(rng.choice(_FILLERS) for _ in range(12))
        begun = at + timedelta(seconds=clock)
        reply = homes.line(f"{feature}-{n}-reply", REPLY, f"{text} {n}", f"Gladly, {text}.", begun)
        made.append(reply | {"latency_ms": 1000 * rng.uniform(1.0, 2.5)})
    tags = {"traceparent": f"00-{trace}-{rng.getrandbits(64):016x}-01", "feature": feature}
    return [one | {"tags": tags} for one in made]


def log(count: int, *, seed: int = 1, first: int = 0, hard: float = 0.0, gold: float = 0.0) -> list[dict[str, Any]]:
    """The calls of so many runs, one every two minutes."""
    rng = random.Random(seed)
    found: list[dict[str, Any]] = []
    for n in range(first, first + count):
        found += run(n, homes.START + timedelta(minutes=2 * n), rng, hard=hard, gold=gold)
    return found
