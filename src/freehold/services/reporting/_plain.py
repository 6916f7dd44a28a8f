"""The decision in words for who never heard of tokens. Nothing here decides anything."""

from __future__ import annotations

import re

from freehold.services import wording
from freehold.services._charts import counted
from freehold.verdict import words
from freehold.vocabulary import OWNED_WORDS, Flip, Option, TaskKind, Verdict, VerdictWord

from ._parts import DASH, NBSP, Tone, percent, usd

PILLS: dict[VerdictWord, str] = {
    "keep_renting": "keep renting",
    "rent_smaller": "rent a smaller model",
    "rent_open_weights": "rent an open model",
    "host_open_weights": "host an open model",
    "own_student": "own a small model",
    "fine_tune_hosted": "train a rented model",
    "fine_tune_own": "train an open model",
    "train_from_scratch": "build a model",
    "not_enough_evidence": "not decided yet",
}
"""The answer in two to four words."""

KINDS: dict[TaskKind, str] = {
    "classification": "sorts texts into classes",
    "extraction": "picks facts out of texts",
    "structured": "fills in forms",
    "tool_choice": "chooses actions",
    "question_answering": "answers questions",
    "free_text": "writes texts",
    "code": "writes code",
    "unknown": "of no clear kind",
}
"""What a task does."""

QUALITY: dict[str, str] = {
    "certified": "certified",
    "measured": "measured",
    "unknown": "not known",
    "reference": "today's",
}

_SHARES = frozenset(
    {
        "monthly_growth",
        "price_decline_per_year",
        "discount_rate_per_year",
        "student_coverage",
        "replica_load",
        "residual_share",
        "spot_spare_share",
        "spot_rerun_share",
    }
)
"""Inputs that are read as percentages."""

READING: tuple[tuple[str, str], ...] = (
    ("a call", "one request that the product sends to a language model, and the answer to it"),
    (
        "a range",
        "the smaller figures below a figure: 8 of 10 of the futures examined lie between them (P10 to P90, P50 above)",
    ),
    (
        "futures",
        "1,001 ways in which everything that nobody measured may turn out, drawn within the ranges under Sources",
    ),
    ("renting", "paying a provider for each call, by the token, which is about three quarters of a word"),
    ("a small model (a student)", "a model that learned one task from its past answers and runs on ordinary computers"),
    ("an open model (open weights)", "a model that anybody may run, rented by the token or on machines of one's own"),
    (
        "a certificate",
        "a statistical promise, measured on calls that the model had never seen, with the chance that it fails",
    ),
    (
        "worth against renting",
        "what is saved over that time less what it takes to begin, future money counted at today's value (NPV)",
    ),
)
"""What the words of the report mean."""


def tone(word: VerdictWord) -> Tone:
    """Whether an answer owns, rents or neither."""
    return "own" if word in OWNED_WORDS else "none" if word == "not_enough_evidence" else "rent"


def pill(verdict: Verdict) -> str:
    """The answer in a few words, and whether it is final."""
    provisional = verdict.provisional and verdict.word != "not_enough_evidence"
    return PILLS[verdict.word] + (", provisionally" if provisional else "")


def answer(verdict: Verdict, option: Option | None, model: str) -> str:
    """The answer in a sentence or two."""
    today = model or "the model of today"
    if verdict.word == "not_enough_evidence" or option is None:
        return f"Do not decide yet: what is known does not settle it. Until then, {today} stays."
    share = percent(option.owned_share)
    refused = option.name.endswith("refuse the rest")
    rest = "the rest is refused, because it may not leave" if refused else f"the rest still goes to {today}"
    texts: dict[VerdictWord, str] = {
        "keep_renting": f"Keep renting {today}{_how(verdict, option)}.",
        "rent_smaller": f"Go on renting, but a smaller model: {option.name.removeprefix('rent ')}.",
        "rent_open_weights": f"Go on renting, but an open model, by the token: {option.name.removeprefix('rent ')}.",
        "host_open_weights": f"Run an open model on machines of our own: {option.name}.",
        "own_student": f"Run a small model of our own. It answers about {share} of the calls itself; {rest}.",
        "fine_tune_hosted": f"Have the provider train a model on our data: {option.name}.",
        "fine_tune_own": f"Train an open model on our data and run it: {option.name}.",
        "train_from_scratch": f"Build a model from nothing: {option.name}.",
    }
    if verdict.provisional:
        return texts[verdict.word] + " This is provisional: something that could change it has not been measured."
    return texts[verdict.word]


def _how(verdict: Verdict, option: Option) -> str:
    """How the same model is to be used, where that is not as today: `, prompts cached`."""
    now = verdict.today
    return "" if now is None else option.name.removeprefix(now.name)


def counts(verdicts: list[Verdict]) -> str:
    """The answers of a portfolio as one headline."""
    owned = sum(v.word in OWNED_WORDS for v in verdicts)
    undecided = sum(v.word == "not_enough_evidence" for v in verdicts)
    kept = sum(v.word == "keep_renting" for v in verdicts)
    moved = len(verdicts) - owned - undecided - kept
    if kept == len(verdicts):
        return "Keep renting: no task is worth owning at this volume"
    parts = [f"own {owned} of {len(verdicts)} tasks"] if owned else []
    parts += [f"rent {moved} elsewhere"] if moved else []
    parts += [f"keep renting {kept}"] if kept else []
    parts += [f"leave {undecided} undecided"] if undecided else []
    text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return text[0].upper() + text[1:]


def input_name(name: str) -> str:
    """An input of the decision in words."""
    known = {"calls": "calls a month", "price of renting": "the price of renting"}
    return known.get(name) or words.INPUTS.get(name) or name.replace("_", " ")


def spelled(text: str) -> str:
    """A sentence in which inputs stand by their names, with what the names mean."""
    return re.sub("|".join(sorted(words.INPUTS, key=len, reverse=True)), _meaning, text)


def _meaning(found: re.Match[str]) -> str:
    return f"{words.INPUTS[found[0]]} ({found[0]})"


def input_value(name: str, value: float) -> str:
    """A value of an input as people read it."""
    if name == "price of renting":
        return "today's" if value == 1 else words.times_text(value).replace("x", "\u00d7")
    if name == "calls":
        return counted(value)
    if name in _SHARES or name.startswith("measured quality"):
        return percent(value, 0 if abs(value) >= 0.1 or not value else 1)
    if "usd" in name:
        return usd(value)
    return wording.figure(value)


def distance(flip: Flip) -> str:
    """How far away a change of the answer is."""
    if flip.at is None or flip.now <= 0:
        return DASH
    if flip.input in _SHARES:
        return f"{100 * (flip.at - flip.now):+.0f} points".replace("-", "\u2212")
    ratio = flip.at / flip.now
    if ratio < 0.5 or ratio >= 2:
        return words.times_text(ratio).replace("x", "\u00d7")
    return f"{100 * (ratio - 1):+.0f}{NBSP}%".replace("-", "\u2212")
