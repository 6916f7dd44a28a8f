"""Later runs, judged as a whole: every owned step answered by its student, as it would be served.

Later than everything that the pinned students learned from and that any certificate of theirs was measured on, so that
no call is used twice. Runs from times in which an owned model served a pinned step are left out by when they were made,
not by who answered: what was escalated then is no random sample.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from freehold.analytics.runs import Run, Step
from freehold.evidence.run_certificates import JudgedRun
from freehold.registry.store import SERVING
from freehold.services.certifying import answer_as_served, wrong
from freehold.services.examples import gather
from freehold.services.home import Home
from freehold.services.training import HELD_OUT_FROM
from freehold.students import bundle
from freehold.vocabulary import Against, Call, Match, PinnedStep

UNREADABLE = "a call of an owned step has no answer of the rented model that can be read"
"""Why a run was left out that could have been judged otherwise."""

_FOR_EVER = 2**62


class Later(NamedTuple):
    """Later runs that can be judged, and how many others there are, by why not."""

    runs: list[Run]
    left_out: Counter[str]


class Outcome(NamedTuple):
    """One owned step's answer: whether it is kept, and whether it is wrong."""

    kept: bool
    wrong: bool


def under_way(runs: Sequence[Run]) -> Callable[[Run], bool]:
    """Whether a run may be going on now: it began so lately that one of these took longer.

    A run that is judged or counted before it is over looks better than it will be. Which are left out depends on when
    they began alone: of those under way now the long ones are more than their share.
    """
    now_us = time.time_ns() // 1000
    longest_us = max((run.ended_us - run.started_us for run in runs), default=0)
    return lambda run: now_us - longest_us < run.started_us <= now_us


def later(home: Home, runs: Sequence[Run], pins: Sequence[PinnedStep], against: Against) -> Later:
    """The runs that may judge the pinned students. Neither their confidence nor a label plays a part in which."""
    since_us, going_on = max(_used_until_us(home, pin) for pin in pins), under_way(runs)
    serving = [stretch for pin in pins for stretch in _serving(home, pin.task_id)]
    covered = {pin.task_id: frozenset(pin.template_ids) for pin in pins}
    found, left_out = list[Run](), Counter[str]()
    for run in runs:
        asked = [step for step in run.steps if step.template in covered.get(step.task, ())]
        why = ""
        if run.started_us <= since_us:
            why = "not later than what the students and their certificates were made from"
        elif any(begun < run.ended_us and run.started_us < ended for begun, ended in serving):
            why = "made while an owned model served one of the steps"
        elif any(step.owned or step.asked_owned for step in asked):
            why = "an owned model was asked to serve"
        elif going_on(run):
            why = "may be going on still"
        elif not all(step.ok for step in asked):
            why = "a call of an owned step failed"
        elif against == "gold" and any(step.wrong is None for step in asked):
            why = "people did not judge every call of its owned steps"
        if why:
            left_out[why] += 1
        else:
            found.append(run)
    return Later(found, left_out)


def judged(
    home: Home, chosen: Later, pins: Sequence[PinnedStep], against: Against
) -> tuple[list[JudgedRun], Counter[str]]:
    """Whether each run holds a wrong kept answer, and whether every owned step was kept; and what was left out."""
    outcomes = _outcomes(home, chosen.runs, pins, against)
    covered = {pin.task_id: frozenset(pin.template_ids) for pin in pins}
    found, left_out = list[JudgedRun](), Counter(chosen.left_out)
    for run in chosen.runs:
        own = [step for step in run.steps if step.task in covered]
        asked = [step for step in own if step.template in covered[step.task]]
        if any(step.call not in outcomes for step in asked):
            left_out[UNREADABLE] += 1
            continue
        told = [outcomes[step.call] for step in asked]
        whole = bool(own) and len(asked) == len(own) and all(one.kept for one in told)
        found.append(JudgedRun(any(one.kept and one.wrong for one in told), whole))
    return found, left_out


def _outcomes(home: Home, runs: Sequence[Run], pins: Sequence[PinnedStep], against: Against) -> dict[str, Outcome]:
    """By call: what the pinned student makes of it."""
    if not runs:
        return {}
    wanted: dict[str, Step] = {step.call: step for run in runs for step in run.steps}
    pairs: dict[str, list[tuple[Call, Match | None]]] = {pin.task_id: [] for pin in pins}
    since_us = min(run.started_us for run in runs)
    templates = [template for pin in pins for template in pin.template_ids]
    for call, match in home.recognise(
        home.ledger.calls(since_us=since_us, until_us=home.until_us, templates=templates)
    ):
        if match is not None and match.task_id in pairs and call.id in wanted:
            pairs[match.task_id].append((call, match))
    found: dict[str, Outcome] = {}
    for pin in pins:
        found |= _answered(home, pin, pairs[pin.task_id], against)
    return found


def _answered(
    home: Home, pin: PinnedStep, pairs: Sequence[tuple[Call, Match | None]], against: Against
) -> dict[str, Outcome]:
    folder = home.registry.student(pin.student_id).folder(home.path)
    bundle.recover(folder)
    bundle.verify(folder)
    gathered = gather(pairs)
    examples = [one for one in gathered.examples if gathered.versions[one.id] in pin.template_ids]
    answers = answer_as_served(folder, examples)
    bad = wrong(home.registry.task(pin.task_id), home, examples, answers, against)
    return {
        example.id: Outcome(answer.confidence >= pin.threshold and answer.scope >= pin.scope_threshold, is_wrong)
        for example, answer, is_wrong in zip(examples, answers, bad, strict=True)
    }


def _used_until_us(home: Home, pin: PinnedStep) -> int:
    """When the last call was made that the student learned from, or that any certificate of it rests on."""
    manifest = home.registry.student(pin.student_id).manifest
    held = home.registry.certificates(pin.task_id, pin.student_id)
    return max(int(manifest.parameters.get(HELD_OUT_FROM, 0)), *(one.certificate.calls_to_us for one in held))


def _serving(home: Home, task_id: str) -> list[tuple[int, int]]:
    """From when until when an owned model answered calls of a task, in microseconds since the epoch."""
    found: list[tuple[int, int]] = []
    began: int | None = None
    for record in home.registry.stage_history(task_id):
        at_us = round(datetime.fromisoformat(record.made_at).timestamp() * 1e6)
        if record.stage in SERVING and began is None:
            began = at_us
        elif record.stage not in SERVING and began is not None:
            found.append((began, at_us))
            began = None
    return found if began is None else [*found, (began, _FOR_EVER)]
