"""A made-up help desk: short messages of a few intents, in words that overlap, some in a script without spaces."""

from __future__ import annotations

import random

from freehold.vocabulary import Contract, Example

INTENTS: dict[str, list[str]] = {
    "refund": ["refund", "money back", "return", "reimburse"],
    "lost_card": ["lost", "stolen", "missing card", "cannot find my card"],
    "late_parcel": ["late", "delayed", "still waiting", "not arrived"],
    "change_address": ["moved", "new address", "change where", "relocate"],
    "close_account": ["close", "delete account", "leave you", "cancel membership"],
    "password": ["password", "log in", "locked out", "reset"],
    "invoice": ["invoice", "bill copy", "receipt", "statement"],
    "discount": ["discount", "voucher", "promo code", "cheaper"],
    "opening_hours": ["open", "hours", "closing time", "sunday"],
    "退款": ["退货退款", "我要退款", "请退钱", "退回款项"],
}
OPENERS = ["hello", "hi there", "please", "could you", "i need", "urgent", "good morning", "so", "well"]
FILLERS = ["today", "for my order", "thanks", "as soon as possible", "again", "from last week", "with the app", "now"]


def message(rng: random.Random, intent: str) -> str:
    """One message of that intent."""
    parts = [rng.choice(OPENERS), rng.choice(INTENTS[intent]), rng.choice(FILLERS), str(rng.randrange(10_000))]
    rng.shuffle(parts)
    return " ".join(parts)


def examples(n: int, *, seed: int = 0, noise: float = 0.0, intents: list[str] | None = None) -> list[Example]:
    """`n` messages in turn of all intents; a share `noise` of the answers is another intent's."""
    rng = random.Random(seed)
    names = intents or sorted(INTENTS)
    out: list[Example] = []
    for i in range(n):
        intent = names[i % len(names)]
        answer = rng.choice(names) if rng.random() < noise else intent
        out.append(Example(f"{seed}-{i:05}", (message(rng, intent),), answer, gold=intent, started_at_us=i))
    return out


def contract(n: int = 0, form: str = "label") -> Contract:
    """A contract of that form with no closed clauses."""
    return Contract("1", form, n)  # type: ignore[arg-type]
