"""What would become of a verdict if prices, volume or any input were otherwise. Nothing is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from freehold.errors import MissingPrerequisite, UsageError
from freehold.settings import EconomicsSettings
from freehold.verdict import words
from freehold.vocabulary import Option, Range, Verdict, VerdictWord

from . import kept_fleets, kept_questions
from .home import Home
from .judging import Question, weighed

SHORT = {
    "gpu": "gpu_usd_per_hour",
    "cpu": "cpu_usd_per_hour",
    "engineer": "hosting_engineer_share",
    "wage": "engineer_usd_per_year",
    "coverage": "student_coverage",
    "growth": "monthly_growth",
    "decline": "price_decline_per_year",
    "upkeep": "student_upkeep_hours_per_month",
    "label": "gold_label_usd",
}
"""Names for people, beside every input's own."""

_FACTORS = ("price", "volume")
_SHARES = frozenset({"student_coverage", "price_decline_per_year", "residual_share", "spot_rerun_share"})
"""Inputs of which more than all makes no sense."""
_MOST = 1e12
"""More than anybody can mean: sums of it would say nothing."""


class Change(NamedTuple):
    """How a value changes: multiplied by `amount`, or replaced by it. `percent`: the latter, written as a share."""

    name: str
    amount: float
    relative: bool
    percent: bool = False


class Supposed(msgspec.Struct, frozen=True):
    """One input as it is and as it is supposed to be."""

    name: str
    before: float
    after: float
    unit: str


class Side(msgspec.Struct, frozen=True):
    """An option on one side of the change; fields as of the verdict's `Option`."""

    monthly_usd: Range
    npv_usd: Range | None
    months_to_pay_back: float | None
    probability_wins: float | None


class Beside(msgspec.Struct, frozen=True):
    """An option before and after; None where it does not exist. `why_not` is that of after."""

    name: str
    before: Side | None
    after: Side | None
    why_not: str


class Answer(msgspec.Struct, frozen=True):
    """An answer and its reason. `option`: by name, which one the word stands for; "" where it stands for none."""

    word: VerdictWord
    sentence: str
    reason: str
    probability_owning_wins: float
    option: str = ""


class WhatIf(msgspec.Struct, frozen=True):
    """A supposition and what it does."""

    task: str
    changes: tuple[Supposed, ...]
    answer: str
    changed: bool
    before: Answer
    after: Answer
    options: tuple[Beside, ...]


def parse(texts: Sequence[str]) -> tuple[Change, ...]:
    """`price=-50%`, `volume=x3`, `coverage=0.8` and the like. Which inputs there are is known once a task is.

    Raises:
        UsageError: one is no such change, or a name is given twice.
    """
    found: dict[str, Change] = {}
    for text in texts:
        change = _parsed(text)
        if change.name in found:
            raise UsageError(f"{change.name} is changed twice", hint="give each input once")
        found[change.name] = change
    return tuple(found.values())


def suppose(home: Home, task_name: str, changes: Sequence[Change], as_of: datetime | None = None) -> WhatIf:
    """The verdict on a task as things are, and as they would be.

    Raises:
        UsageError: a name is no input of the task's verdict, or a value makes no sense for it.
        MissingPrerequisite: no calls have been recorded, or the verdict has nothing to compare.
        NotFound: there is no such task.
    """
    with kept_fleets.kept(home):
        return _supposed(home, _question(home, task_name, as_of), changes)


def _question(home: Home, task_name: str, as_of: datetime | None) -> Question:
    at = as_of or datetime.now(UTC)
    found = kept_questions.recall(home, task_name, kept_questions.key(home, at.date()), at)
    if found is not None:
        return found
    from . import deciding  # loads what reads calls and the registry: a second that a kept question does without

    return deciding.question(home, task_name, at)


def _supposed(home: Home, one: Question, changes: Sequence[Change]) -> WhatIf:
    before = weighed(home, one)
    if not before.assumptions:
        raise MissingPrerequisite(before.reason, hint=before.to_find_out)
    supposed = tuple(_applied(change, before) for change in changes)
    after_of = {change.name: change.after for change in supposed}
    ratio, volume = (after_of.pop(name, 1.0) for name in _FACTORS)
    factor = one.workload.volume_factor * volume
    workload = msgspec.structs.replace(one.workload, volume_factor=factor, price_factor=ratio)
    economics = _stated(home.settings.economics, after_of)
    after = weighed(home, one._replace(workload=workload), economics)
    was, then = _answer(before), _answer(after)
    return WhatIf(
        before.task_name,
        supposed,
        _becomes(was, then),
        (was.sentence, was.option) != (then.sentence, then.option),
        was,
        then,
        _beside(before, after),
    )


def _parsed(text: str) -> Change:
    name, equals, value = (part.strip() for part in text.partition("="))
    percent, number = value.endswith("%"), value.lower().removesuffix("%")
    times = not percent and "x" in (number[:1], number[-1:])
    try:
        amount = float((number[1:] if number[0] == "x" else number[:-1]) if times else number)
    except ValueError:
        amount = math.inf
    if not (name and equals and abs(amount) <= _MOST):
        raise UsageError(f"{text!r} is no change", hint="as in price=-50% volume=x3 gpu=+40% coverage=0.8")
    name = SHORT.get(name, name)
    if times:
        return Change(name, amount, relative=True)
    if percent and number[:1] in "+-":
        return Change(name, 1 + amount / 100, relative=True)
    if name in _FACTORS:
        raise UsageError(f"{text!r} is no factor", hint=f"as in {name}=x3, {name}=+40% or {name}=-50%")
    return Change(name, amount / 100 if percent else amount, relative=False, percent=percent)


def _applied(change: Change, verdict: Verdict) -> Supposed:
    known = {item.name: item for item in verdict.assumptions}
    name = change.name
    if name in _FACTORS:
        if not change.amount > 0:
            raise UsageError(f"{name} must stay above zero", hint=f"as in {name}=x0.1")
        return Supposed(name, 1.0, change.amount, "times today's")
    if name not in known:
        short = [alias for alias, full in SHORT.items() if full in known]
        raise UsageError(
            f"{name!r} is no input of the verdict on {verdict.task_name}",
            hint=f"one of {', '.join([*_FACTORS, *short, *sorted(known)])}",
        )
    if change.percent and (known[name].high > 1 or known[name].unit.startswith("USD")):
        size = f"{100 * change.amount:g}%"
        raise UsageError(
            f"{name} is no share, so {size} of what is not said",
            hint=f"as in {name}=+{size} or {name}=x{change.amount:g}",
        )
    now = float(known[name].value)
    then = now * change.amount if change.relative else change.amount
    most = 1.0 if name in _SHARES else math.inf
    least = -1.0 if name == "monthly_growth" else 0.0
    if not least <= then <= most:
        bounds = f"at least {least:g}" + (" and at most 1" if most == 1 else "")
        raise UsageError(f"{name} would be {then:g}, and must be {bounds}", hint=f"it is {now:g} now")
    return Supposed(name, now, then, known[name].unit)


def _stated(settings: EconomicsSettings, values: Mapping[str, float]) -> EconomicsSettings:
    own = {name: value for name, value in values.items() if name in settings.__struct_fields__}
    assume = settings.assume | {name: value for name, value in values.items() if name not in own}
    return msgspec.structs.replace(settings, **own, assume=assume)


def _answer(verdict: Verdict) -> Answer:
    sentence = words.verdict_sentence(verdict)
    return Answer(verdict.word, sentence, verdict.reason, verdict.probability_owning_wins, verdict.chosen)


def _becomes(was: Answer, then: Answer) -> str:
    """What becomes of the answer; where one word stands for several options, as for renting in batches, of which."""
    text = f"{was.sentence}, before and after"
    if was.sentence != then.sentence:
        text = f"{was.sentence} becomes {then.sentence}"
    if was.word == then.word and was.option != then.option and was.option and then.option:
        text += f", but otherwise: {was.option} becomes {then.option}"
    return text


def _beside(before: Verdict, after: Verdict) -> tuple[Beside, ...]:
    was, then = ({option.name: option for option in verdict.options} for verdict in (before, after))
    return tuple(
        Beside(
            name,
            _side(was.get(name)),
            _side(then.get(name)),
            then[name].why_not if name in then else "",
        )
        for name in {**was, **then}
    )


def _side(option: Option | None) -> Side | None:
    if option is None:
        return None
    return Side(
        option.monthly_usd,
        option.npv_usd.get("24"),
        option.months_to_pay_back,
        option.probability_wins,
    )
