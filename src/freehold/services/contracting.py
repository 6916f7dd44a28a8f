"""A task's contract: learned from its answers, kept by the registry, signed by a person, version by version."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from freehold.errors import MissingPrerequisite, NotFound
from freehold.evidence.intervals import upper
from freehold.tasks import contracts
from freehold.tasks.closed import chao, good_turing
from freehold.tasks.contracts import Difference, Given
from freehold.tasks.languages import language
from freehold.tasks.sampling import Sample
from freehold.vocabulary import Call, Clause, Contract, Match, Task
from freehold.wire.known import dialect

from .home import Home

MOST_ANSWERS = 20_000
"""A contract is learned from at most so many answers, drawn at random from all."""

_READ_FOR_LANGUAGE = 2_000
_DELTA = 0.05


class _Asked(msgspec.Struct):
    """What a request wants its answer to end at, under the names of the dialects."""

    stop: str | list[str] | None = None
    stop_sequences: list[str] | None = None


_asked = msgspec.json.Decoder(_Asked)


class Answers:
    """What the answers of one task were, gathered call by call, for its contract to be learned from.

    Of many answers it keeps a random sample of `MOST_ANSWERS`.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._kept: Sample[tuple[Given, tuple[str, ...]]] = Sample(MOST_ANSWERS)
        self._from_us = self._until_us = 0

    def add(self, call: Call, match: Match) -> None:
        """Take a call into account, if a rented model answered it in full."""
        if call.outcome != "ok" or call.owner != "rented":
            return
        given = given_by(call)
        if given is None:
            return
        self._from_us = min(self._from_us or call.started_at_us, call.started_at_us)
        self._until_us = max(self._until_us, call.started_at_us)
        self._kept.add(call.id, call.started_at_us, (given, match.inputs))

    def learn(self) -> Contract | None:
        """The contract, or None where there was no answer."""
        kept = self._kept.values()
        if not kept:
            return None
        step = -(-len(kept) // _READ_FOR_LANGUAGE)
        given = [one._replace(language=language(one.text)) if i % step == 0 else one for i, (one, _) in enumerate(kept)]
        return contracts.learn(
            given,
            templates=self._task.templates,
            inputs=[inputs for _, inputs in kept],
            n_seen=self._kept.seen,
            between_us=(self._from_us, self._until_us),
        )


def given_by(call: Call) -> Given | None:
    """A call's answer as its contract looks at it; None where there is none that can be read."""
    spoken = dialect(call.dialect)
    answer = spoken.answer_text(call.response)
    if answer is None:
        return None
    latency = call.latency_ms if call.latency_ms > 0 else None
    return Given(answer, spoken.finish_reason(call.response), latency, _stops(call.request))


def _stops(request: bytes) -> tuple[str, ...]:
    try:
        asked = _asked.decode(request)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ()
    one = (asked.stop,) if isinstance(asked.stop, str) else tuple(asked.stop or ())
    return tuple(stop for stop in (*one, *(asked.stop_sequences or ())) if stop)


class ClauseRow(msgspec.Struct, frozen=True):
    """One clause with what it rests on.

    `share` of the `n` answers that it applied to when it was learned keep it. `breach_upper`: with 95 % confidence at
    most this share of answers like those breaks it (Clopper and Pearson, one-sided); the clause was chosen to fit them,
    so it flatters. For closed sets: `unseen_share`, the share of next values outside it that is expected (Good-Turing);
    `unseen_upper`, its bound with 95 % confidence, from the later half of the answers judged by the earlier one;
    `values_in_all`, how many different values there are at least (Chao).
    """

    name: str
    rule: str
    n: int
    kept: int
    share: float
    breach_upper: float
    unseen_share: float | None = None
    unseen_upper: float | None = None
    values_in_all: float | None = None


class Reviewed(msgspec.Struct, frozen=True):
    """A task's contract for a person to review: its clauses, and the version that waits for a signature, if any does.

    `in_force` is False for a version that was asked for by name and is not the one that answers are held to.
    """

    task: str
    contract: Contract
    clauses: tuple[ClauseRow, ...]
    in_force: bool = True
    proposed: Contract | None = None
    differences: tuple[Difference, ...] = ()


class VersionRow(msgspec.Struct, frozen=True):
    """One version of a contract. `differences`: how it departs from the version before."""

    version: str
    learned_at: str
    n_answers: int
    clauses: int
    signed_by: str
    signed_at: str
    in_force: bool
    differences: tuple[Difference, ...]


def contract(home: Home, task: Task, *, sign: str = "", version: str = "") -> Contract:
    """The task's contract in force, or that of a version; with `sign`, the latest (or that version), signed.

    Raises:
        MissingPrerequisite: none has been learned yet.
        NotFound: there is no such version.
    """
    if sign:
        _ = contract(home, task)
        return home.registry.sign_contract(task.id, by=sign, version=version)
    found = home.registry.contract(task.id, version)
    if found is None and version:
        raise NotFound(f"{task.name} has no contract {version}", hint=f"freehold contract {task.name} --versions")
    if found is None:
        raise MissingPrerequisite(f"no contract of {task.name} has been learned yet", hint="freehold tasks --refresh")
    return found


def review(home: Home, task: Task, *, version: str = "") -> Reviewed:
    """The contract in force, or that of a version, with its clauses' support and what has been learned since.

    Raises:
        MissingPrerequisite: none has been learned yet.
        NotFound: there is no such version.
    """
    in_force = contract(home, task)
    shown = contract(home, task, version=version) if version else in_force
    latest = home.registry.contracts(task.id)[-1].contract
    proposed = latest if in_force.signed_by and latest.version != in_force.version else None
    differences = contracts.differences(in_force, proposed) if proposed is not None else ()
    rows = tuple(map(_row, clauses_of(shown)))
    return Reviewed(task.name, shown, rows, shown.version == in_force.version, proposed, differences)


def clauses_of(found: Contract) -> tuple[Clause, ...]:
    """A contract's clauses; of one that an earlier version of Freehold stored, those that it counted support for."""
    if found.clauses:
        return found.clauses
    return tuple(
        Clause(name, "as learned by an earlier version", found.n_answers, min(kept, found.n_answers))
        for name, kept in sorted(found.support.items())
    )


def versions(home: Home, task: Task) -> list[VersionRow]:
    """Every version of the task's contract, oldest first.

    Raises:
        MissingPrerequisite: none has been learned yet.
    """
    return list(_versions(home, task))


def _versions(home: Home, task: Task) -> Iterator[VersionRow]:
    in_force = contract(home, task)
    records = home.registry.contracts(task.id)
    before: Contract | None = None
    for version in dict.fromkeys(record.contract.version for record in records):
        same = [record for record in records if record.contract.version == version]
        signed = next((record for record in same if record.contract.signed_by), None)
        latest = same[-1].contract
        yield VersionRow(
            version=version,
            learned_at=same[0].saved_at,
            n_answers=latest.n_answers,
            clauses=len(clauses_of(latest)),
            signed_by=signed.contract.signed_by if signed else "",
            signed_at=signed.saved_at if signed else "",
            in_force=version == in_force.version,
            differences=contracts.differences(before, latest) if before is not None else (),
        )
        before = latest


def _row(clause: Clause) -> ClauseRow:
    seen = clause.unseen
    return ClauseRow(
        name=clause.name,
        rule=clause.rule,
        n=clause.n,
        kept=clause.kept,
        share=clause.kept / clause.n if clause.n else 0.0,
        breach_upper=upper(clause.n - clause.kept, clause.n, _DELTA),
        unseen_share=good_turing(seen) if seen else None,
        unseen_upper=upper(seen.outside, seen.held_back, _DELTA) if seen else None,
        values_in_all=chao(seen) if seen else None,
    )
