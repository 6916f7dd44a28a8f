"""Verdicts kept up to date: what changed, whether it was judged again, and which answer stands.

A task is judged again when the price of its calls, their number, its evidence, its model's future or the settings of
the decision changed since it last was. The answers that stand lie in `watch.json` in the home; every verdict made is
kept in the registry besides. One watcher at a time: the last to write wins.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from freehold.economics.case import build_case
from freehold.errors import ConfigurationError
from freehold.market.retirements import Risk
from freehold.verdict.hysteresis import Held, Step, step
from freehold.vocabulary import Range, Verdict, VerdictWord

from . import radar
from .deciding import Question, answer, questions, rent_usd
from .home import Home

FILE_NAME = "watch.json"
STATE = "freehold.watch-state/1"
SCHEMA = "freehold.watch/1"
NOTICEABLE = 0.05
"""The relative change of a call's price or of the number of calls from which a task is judged again."""
NEAR_DAYS = 30
"""A shutdown so near is a hard reason: who waits longer moves in a hurry."""

What = Literal["price", "volume", "evidence", "model", "settings"]


class Seen(msgspec.Struct, frozen=True):
    """What a verdict was made from, as far as its change is looked for; and what it said of the money.

    `saving_usd`: net present value, over 24 months, of the answer that stands over renting on; None where it is none of
    the options.
    """

    price_per_call_usd: float | None
    calls_per_month: float
    evidence: str
    model: str
    settings: str
    rent_monthly_usd: Range | None = None
    saving_usd: Range | None = None
    probability_owning_wins: float = 0.0


class Kept(msgspec.Struct, frozen=True):
    """What the file holds of a task: the answer that stands, what it was last judged from, and what was said then.

    `fresh` is not that of the registry's newest verdict, which somebody may have asked for at another volume.
    """

    held: Held
    seen: Seen
    fresh: VerdictWord


class Change(msgspec.Struct, frozen=True):
    """One thing that changed since the task was last judged; figures or words."""

    what: What
    before: float | str | None
    after: float | str | None


class Watched(msgspec.Struct, frozen=True):
    """One task in one round.

    `status`: `first` (never watched before), `unchanged` (not judged again), `confirmed` (judged again, same answer),
    `held` (the fresh answer is another and does not stand yet, `why` says why), `flipped`. `word` is the answer that
    stands, `fresh` the verdict's own, `was` the answer that stood before.
    """

    schema: str
    at: datetime
    task: str
    task_id: str
    status: Literal["first", "unchanged", "confirmed", "held", "flipped"]
    word: VerdictWord
    fresh: VerdictWord
    was: VerdictWord | None
    since: datetime
    why: str
    changed: tuple[Change, ...]
    now: Seen
    before: Seen | None


class _State(msgspec.Struct):
    schema: str = STATE
    tasks: dict[str, Kept] = {}


def watch(home: Home, *, at: datetime | None = None) -> list[Watched]:
    """One round over every task, largest first; what stands is written to the home.

    Args:
        home: whose tasks.
        at: now, and the day whose prices count.

    Raises:
        MissingPrerequisite: no calls have been recorded yet.
        ConfigurationError: the file of the last round cannot be read.
    """
    at = at or datetime.now(UTC)
    file = home.path / FILE_NAME
    state = _read(file)
    risks = {(provider, model): risk for provider, model, risk in radar.at_risk(home, today=at.date())}
    rounds: list[Watched] = []
    for question in questions(home, as_of=at):
        kept = state.tasks.get(question.task.id)
        risk = risks.get(question.workload.model)
        seen = _look(home, question, risk)
        near = risk is not None and risk.days_left is not None and risk.days_left <= NEAR_DAYS
        watched = _round(home, question, kept, seen, end=radar.in_words(risk) if risk is not None and near else "")
        state.tasks[question.task.id] = Kept(Held(watched.word, watched.since), watched.now, watched.fresh)
        rounds.append(watched)
    _write(file, state)
    return rounds


def _round(home: Home, question: Question, kept: Kept | None, seen: Seen, *, end: str) -> Watched:
    """One task: judged again where something changed. `end`: that its model ends soon, in words."""
    at = question.as_of
    changed = () if kept is None else changes(kept.seen, seen)
    # without a change, too, a waiting answer's month may be over, or a known end near
    due = kept is None or step(kept.held, kept.fresh, at, _ending(kept.held.word, end)).flipped
    if kept is not None and not changed and not due:
        return _watched(question, "unchanged", Step(kept.held, False, ""), kept.fresh, kept, (), kept.seen)
    verdict = answer(home, question)
    hard = "" if kept is None else _hard(kept, seen, verdict, end)
    done = step(None if kept is None else kept.held, verdict.word, at, hard)
    money = _money(verdict, done.held.word)
    now = msgspec.structs.replace(seen, **money)
    status = (
        "first"
        if kept is None
        else "flipped"
        if done.flipped
        else "confirmed"
        if verdict.word == done.held.word
        else "held"
    )
    return _watched(question, status, done, verdict.word, kept, changed, now)


def changes(before: Seen, after: Seen) -> tuple[Change, ...]:
    """What of a verdict's basis changed enough to judge again."""
    found: list[Change] = []
    figures: tuple[tuple[What, float | None, float | None], ...] = (
        ("price", before.price_per_call_usd, after.price_per_call_usd),
        ("volume", before.calls_per_month, after.calls_per_month),
    )
    for what, old, new in figures:
        if (old is None) != (new is None) or (
            old is not None and new is not None and abs(new - old) > NOTICEABLE * abs(old)
        ):
            found.append(Change(what, old, new))
    words: tuple[tuple[What, str, str], ...] = (
        ("evidence", before.evidence, after.evidence),
        ("model", before.model, after.model),
        ("settings", before.settings, after.settings),
    )
    return (*found, *(Change(what, old, new) for what, old, new in words if old != new))


def _hard(kept: Kept, seen: Seen, verdict: Verdict, end: str) -> str:
    """Why the answer that stood cannot go on standing; "" where it can."""
    word = kept.held.word
    options = [option for option in verdict.options if option.word == word]
    if options and not any(option.allowed for option in options):
        return "what was chosen may not be chosen any more"
    if word == "own_student" and kept.seen.evidence.startswith("certified") and not seen.evidence.startswith("certi"):
        return "the certificate it rested on no longer stands"
    return _ending(word, end)


def _ending(word: VerdictWord, end: str) -> str:
    """The end of its model as a reason against an answer that calls it; "" where none is near or it does not."""
    return f"its model {end}" if end and word in ("keep_renting", "own_student", "fine_tune_own") else ""


def _look(home: Home, question: Question, risk: Risk | None) -> Seen:
    """What a verdict would be made from now."""
    work, promise = question.workload, question.quality.certificate
    case = build_case(work, home.prices, question.as_of)
    price = None if case.rent_usd is None or not case.calls else float(case.rent_usd) / case.calls
    proof = "none" if promise is None else f"{'certified' if promise.certified else 'refused'} {promise.id}"
    student = home.registry.latest_student(question.task.id)
    evidence = f"{proof}, student {student.id}" if student is not None else proof
    tried = [one.id for one in question.quality.rivals if one.id]
    if tried:
        evidence = f"{evidence}, {' '.join(sorted(tried))}"
    asked = question.quality
    wanted = (asked.alpha, asked.against, asked.audit_share)
    given = msgspec.json.encode(
        (home.settings.economics, question.constraints, work.weight, work.monthly_growth, wanted)
    )
    digest = hashlib.blake2b(given, digest_size=6).hexdigest()
    model = "/".join(work.model)
    if risk is not None:  # without days left, which change every day
        model += f", {risk.status} {risk.shutdown or ''}".rstrip() + (risk.replacement and f" ({risk.replacement})")
    return Seen(price, case.calls, evidence, model, digest)


def _money(verdict: Verdict, word: VerdictWord) -> dict[str, object]:
    held = [option for option in verdict.options if option.word == word and option.allowed]
    standing = [option for option in held if option.name == verdict.chosen]
    if word == "keep_renting" and not standing:  # as today, not as the same model could be used
        held = held[:1]
    saved = [option.npv_usd.get("24") for option in standing or held]
    best = max((one for one in saved if one is not None), key=lambda one: one.mid, default=None)
    return {
        "rent_monthly_usd": rent_usd(verdict),
        "saving_usd": best,
        "probability_owning_wins": verdict.probability_owning_wins,
    }


def _watched(
    question: Question,
    status: Literal["first", "unchanged", "confirmed", "held", "flipped"],
    done: Step,
    fresh: VerdictWord,
    kept: Kept | None,
    changed: tuple[Change, ...],
    now: Seen,
) -> Watched:
    return Watched(
        schema=SCHEMA,
        at=question.as_of,
        task=question.task.name,
        task_id=question.task.id,
        status=status,
        word=done.held.word,
        fresh=fresh,
        was=None if kept is None else kept.held.word,
        since=done.held.since,
        why=done.why,
        changed=changed,
        now=now,
        before=None if kept is None else kept.seen,
    )


def _read(file: Path) -> _State:
    if not file.exists():
        return _State()
    try:
        state = msgspec.json.decode(file.read_bytes(), type=_State)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error}", hint="move it away; the next round begins afresh"
        ) from None
    if state.schema != STATE:
        raise ConfigurationError(
            f"{file} is {state.schema}, which this release does not know", hint="use the release that wrote it"
        )
    return state


def _write(file: Path, state: _State) -> None:
    beside = file.with_suffix(".json.part")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1))
    beside.replace(file)
