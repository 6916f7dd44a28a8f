"""Later answers against their task's contract: breaches counted by clause and model, a stretch of the ledger at a time.

Everything answered since the version in force was learned is judged once, whoever answered: rented models, owned ones,
and the answers of audits and shadows that no client saw. What was judged is remembered in the home, so that the next
check reads only what has come since. A call that is recorded more than ten minutes after a later one was judged is
passed over; so is what has no body.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from freehold.evidence.intervals import two_sided
from freehold.tasks import contracts
from freehold.tasks.contracts import Given
from freehold.tasks.languages import language
from freehold.vocabulary import Call, Contract, Interval, Task

from .contracting import clauses_of, contract, given_by
from .home import Home

_FILE = "contract_checks.json"
_VERSION = 1
_SERVED = "served"
_LATE_US = 600_000_000
_MOST_RECENT = 20_000


class Breaches(msgspec.Struct):
    """How often one clause was broken by one model, of the answers that it applied to, and between which calls."""

    n: int = 0
    broken: int = 0
    first_call: str = ""
    last_call: str = ""


class _Model(msgspec.Struct):
    answers: int = 0
    in_breach: int = 0
    clauses: dict[str, Breaches] = {}


class _Progress(msgspec.Struct):
    """How far one version of one task's contract has been checked.

    Calls before `open_us` are done with, of those from then on the ones in `recent`.
    """

    version: str
    since_us: int
    open_us: int
    until_us: int = 0
    models: dict[str, _Model] = {}
    recent: dict[str, int] = {}


class _Kept(msgspec.Struct):
    version: int
    tasks: dict[str, _Progress]


class BreachRow(msgspec.Struct, frozen=True):
    """One clause broken by one model: `broken` of `n` answers, with the exact interval of the rate, and two examples.

    The interval takes answers to be independent and alike; where something changed in between, it is of the mixture.
    """

    owner: str
    purpose: str
    model: str
    clause: str
    rule: str
    n: int
    broken: int
    share: float
    interval: Interval
    first_call: str
    last_call: str


class ModelRow(msgspec.Struct, frozen=True):
    """One model's later answers, and how many of them broke at least one clause.

    `purpose`: `served`, or why the model was asked where no client saw its answer (`audit`, `shadow`, ...).
    """

    owner: str
    purpose: str
    model: str
    answers: int
    in_breach: int
    share: float
    interval: Interval


class Checked(msgspec.Struct, frozen=True):
    """A task's later answers against its contract. Times in ISO 8601; `until` is "" where there was none to judge."""

    task: str
    version: str
    since: str
    until: str
    answers: int
    in_breach: int
    models: tuple[ModelRow, ...]
    breaches: tuple[BreachRow, ...]


def check(home: Home, task: Task) -> Checked:
    """Judge what has been answered since the last check, of every task, and say how one task stands.

    Raises:
        MissingPrerequisite: the task's contract has not been learned yet.
    """
    found = contract(home, task)
    progress = _advance(home)
    return _told(task, found, progress[task.id])


def known(home: Home) -> dict[str, tuple[int, int]]:
    """By task: how many later answers the last check judged by the version in force, and how many broke something.

    Reads no call. Tasks that were not checked since another version came into force are left out.
    """
    every = _recall(home)
    found: dict[str, tuple[int, int]] = {}
    for task in home.registry.tasks() if every else ():
        one, agreed = every.get(task.id), home.registry.contract(task.id)
        if one is not None and agreed is not None and one.version == agreed.version:
            models = one.models.values()
            found[task.id] = sum(model.answers for model in models), sum(model.in_breach for model in models)
    return found


def _advance(home: Home) -> dict[str, _Progress]:
    in_force = {task.id: one for task in home.registry.tasks() if (one := home.registry.contract(task.id)) is not None}
    before = _recall(home)
    progress = {
        task_id: before[task_id]
        if task_id in before and before[task_id].version == one.version
        else _begun(one.version, _learned_until(home, task_id, one.version))
        for task_id, one in in_force.items()
    }
    starts = [one.open_us for one in progress.values()]
    calls = home.ledger.calls(since_us=min(starts, default=0), until_us=home.until_us)
    for call, match in home.recognise(calls):
        if match is not None and match.task_id in progress:
            _judge(in_force[match.task_id], progress[match.task_id], call)
    for one in progress.values():
        _forget_old(one)
    _remember(home, progress)
    return progress


def _begun(version: str, since_us: int) -> _Progress:
    return _Progress(version, since_us, since_us + 1)


def _forget_old(progress: _Progress) -> None:
    """Keep the calls of the last ten minutes, by when they were made, so that none is judged twice."""
    recent = sorted(progress.recent.items(), key=lambda item: -item[1])[:_MOST_RECENT]
    open_us = recent[-1][1] if len(recent) == _MOST_RECENT else progress.until_us - _LATE_US
    progress.open_us = max(progress.open_us, open_us)
    progress.recent = {call_id: at for call_id, at in recent if at >= progress.open_us}


def _learned_until(home: Home, task_id: str, version: str) -> int:
    """When the last call was made from which a version was first learned."""
    records = home.registry.contracts(task_id)
    return next(record.contract.until_us for record in records if record.contract.version == version)


def _judge(agreed: Contract, progress: _Progress, call: Call) -> None:
    if call.started_at_us < progress.open_us or call.id in progress.recent:
        return
    judged = False
    for key, given in _given(call):
        judged = True
        if agreed.languages:
            given = given._replace(language=language(given.text))  # noqa: PLW2901 (the same answer, looked at)
        _count(progress.models.setdefault(key, _Model()), contracts.judge(agreed, given), call.id)
    if judged:
        progress.recent[call.id] = call.started_at_us
        progress.until_us = max(progress.until_us, call.started_at_us)


def _given(call: Call) -> Iterator[tuple[str, Given]]:
    """Every answer that a call led to, under whose model gave it and whether a client saw it."""
    if call.outcome == "ok" and call.owner != "none":
        served = given_by(call)
        if served is not None:
            yield f"{call.owner}\t{_SERVED}\t{call.model}", served
    for leg in call.legs:
        if leg.answer is not None and leg.outcome == "ok":
            yield f"{leg.owner}\t{leg.purpose}\t{leg.model}", Given(leg.answer, latency_ms=leg.latency_ms or None)


def _count(model: _Model, judged: Mapping[str, bool], call_id: str) -> None:
    model.answers += 1
    model.in_breach += not all(judged.values())
    for clause, kept in judged.items():
        counts = model.clauses.setdefault(clause, Breaches())
        counts.n += 1
        if not kept:
            counts.broken += 1
            counts.first_call = counts.first_call or call_id
            counts.last_call = call_id


def _told(task: Task, agreed: Contract, progress: _Progress) -> Checked:
    rules = {clause.name: clause.rule for clause in clauses_of(agreed)}
    models = [_model_row(key, one) for key, one in sorted(progress.models.items())]
    breaches = [
        _breach_row(key, name, rules.get(name, ""), counts)
        for key, one in sorted(progress.models.items())
        for name, counts in one.clauses.items()
        if counts.broken
    ]
    breaches.sort(key=lambda row: -row.broken)
    return Checked(
        task=task.name,
        version=agreed.version,
        since=_iso(progress.since_us),
        until=_iso(progress.until_us),
        answers=sum(row.answers for row in models),
        in_breach=sum(row.in_breach for row in models),
        models=tuple(models),
        breaches=tuple(breaches),
    )


def _model_row(key: str, one: _Model) -> ModelRow:
    owner, purpose, model = key.split("\t", 2)
    interval = two_sided(one.in_breach, one.answers)
    return ModelRow(owner, purpose, model, one.answers, one.in_breach, one.in_breach / one.answers, interval)


def _breach_row(key: str, clause: str, rule: str, c: Breaches) -> BreachRow:
    owner, purpose, model = key.split("\t", 2)
    interval = two_sided(c.broken, c.n)
    return BreachRow(
        owner, purpose, model, clause, rule, c.n, c.broken, c.broken / c.n, interval, c.first_call, c.last_call
    )


def _iso(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="seconds") if at_us else ""


def _recall(home: Home) -> dict[str, _Progress]:
    try:
        kept = msgspec.json.decode((home.path / _FILE).read_bytes(), type=_Kept)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    return kept.tasks if kept.version == _VERSION else {}


def _remember(home: Home, progress: dict[str, _Progress]) -> None:
    part = home.path / f"{_FILE}.{os.getpid()}.part"
    part.write_bytes(msgspec.json.encode(_Kept(_VERSION, progress)))
    part.replace(home.path / _FILE)
