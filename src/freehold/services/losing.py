"""The loss of an owned model's worker, rehearsed: real workers, killed or stopped under load, and what clients saw.

A gateway configured as the home is, in this process, with the home's own bundles in real workers and recordings in the
place of its providers. Only calls are sent that the owned model is sure of, so that whatever else happens to them is
the fault's doing. Time is not compressed: what is measured is how long a worker takes to be missed and to come back.
"""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import cycle
from typing import Literal, NamedTuple, get_args
from urllib.parse import urlsplit

import msgspec

from freehold.errors import MissingPrerequisite, UsageError
from freehold.registry import routes
from freehold.vocabulary import Call, Route, Task, reasons

from ._driving import Heard, drive
from ._stage import Staged, recorded, staged
from .home import Home, Progress, silent

LossFault = Literal["kill", "hang"]
"""`kill`: ended by SIGKILL, as the kernel does where memory runs out. `hang`: stopped, so that it says nothing."""
FAULTS: tuple[LossFault, ...] = get_args(LossFault)

SAMPLE = 100
"""At most so many recorded calls, the newest, are sent round and round."""
BEFORE_S, AFTER_S = 2.0, 1.0
"""Load before each fault, and after everything is well again."""
PATIENCE_S = 60.0
"""A worker that is not back by then is not waited for."""
_CLIENT_S = 30.0
_LOOK_S = 0.02
_SERVING = frozenset({"canary", "full"})


class LossOrder(NamedTuple):
    """What is to be rehearsed. `everyone`: all workers are lost at once, not one of them."""

    task: str
    faults: tuple[LossFault, ...] = FAULTS
    per_s: float = 20.0
    everyone: bool = False


class Loss(msgspec.Struct, frozen=True):
    """What clients saw of one fault: calls that were under way then or made until all was well again.

    `refused`: restricted calls that were told so; `failed`: calls without a whole answer, for whatever other reason.
    `back_after_s`: when only owned answers came again; 0 where nothing else ever came, None where they did not.
    """

    fault: LossFault
    calls: int
    owned: int
    rented: int
    refused: int
    failed: int
    back_after_s: float | None
    slowest_ms: float


class LossDrill(msgspec.Struct, frozen=True):
    """What losing workers of an owned model would mean.

    `usual_ms`: the median of `usual_n` answers before the first fault. `left`: calls of a restricted task that reached
    a rented model, of which there may be none.
    """

    task: str
    student_id: str
    restricted: bool
    workers: int
    everyone: bool
    per_s: float
    usual_ms: float
    usual_n: int
    losses: tuple[Loss, ...]
    left: int

    @property
    def passes(self) -> bool:
        """Whether no client saw an error and nothing left that may not."""
        return not self.left and not any(one.failed for one in self.losses)


def named(words: Sequence[str]) -> tuple[LossFault, ...]:
    """The faults that a person named; all of them where none is named.

    Raises:
        UsageError: there is no such fault.
    """
    for word in words:
        if word not in FAULTS:
            raise UsageError(f"{word!r} is no way to lose a worker", hint=f"--fault {'|'.join(FAULTS)}")
    return tuple(fault for fault in FAULTS if fault in words) or FAULTS


def replica(home: Home, order: LossOrder, *, progress: Progress = silent) -> LossDrill:
    """Rehearse losing workers of the owned model that serves a task.

    Raises:
        UsageError: the rate is none.
        NotFound: there is no such task.
        MissingPrerequisite: nothing owned serves it, or it is sure of no recorded call.
    """
    if not 0 < order.per_s <= 200:
        raise UsageError(f"{order.per_s:g} calls a second cannot be sent", hint="--rate 20; at most 200")
    task = home.task(order.task)
    route = serving(home, task)
    progress("looking for calls that it answers")
    calls = answerable(home, task, route, SAMPLE)
    with recorded(calls) as recording, staged(home.path, home.settings, recording, {}, 1.0, fully=task.id) as stage:
        sure = [one.call for one in _ask(stage, calls) if one.served_by == "owned" and one.complete]
        if not sure:
            raise MissingPrerequisite(
                f"the owned model of {task.name} is sure of none of {len(calls)} recorded calls, so that losing it "
                "would change nothing",
                hint=f"freehold certify {task.name}",
            )
        ordeal = _Ordeal(stage, order, progress)
        heard = ordeal.run(sure)
    restricted = home.task_settings(task).data_class != "ordinary"
    return _report(route, order, stage, ordeal, heard, restricted=restricted)


def serving(home: Home, task: Task) -> Route:
    """The route of a task that an owned model serves.

    Raises:
        MissingPrerequisite: none does.
    """
    found = next((one for one in routes.load(routes.path(home.path)).routes if one.task_id == task.id), None)
    if found is None or found.stage not in _SERVING or not found.student_id:
        raise MissingPrerequisite(
            f"no owned model serves {task.name}", hint=f"freehold promote {task.name} --stage full"
        )
    return found


def answerable(home: Home, task: Task, route: Route, most: int) -> list[Call]:
    """The newest recorded calls of a task that its owned model may be asked, oldest first.

    Raises:
        MissingPrerequisite: there are none with request and answer.
    """
    found: dict[bytes, Call] = {}
    for call, match in home.recognised(task_id=task.id):
        if match is None or match.template_id not in route.template_ids:
            continue
        if call.outcome == "ok" and call.request and call.response:
            found.pop(call.request, None)  # asked again: the later one counts
            found[call.request] = call
            if len(found) > most:
                del found[next(iter(found))]  # a task's calls may be more than memory holds
    if not found:
        raise MissingPrerequisite(
            f"there are no recorded calls of {task.name} with their content", hint="freehold import LOG"
        )
    return list(found.values())


def _ask(stage: Staged, calls: Sequence[Call]) -> list[Heard]:
    """Each call once, a few at a time."""
    return drive(urlsplit(stage.url), ((number / 50, call) for number, call in enumerate(calls)), timeout_s=_CLIENT_S)


class _Hit(NamedTuple):
    """A fault that was done, and until when its calls are counted; in seconds since the beginning."""

    fault: LossFault
    at_s: float
    until_s: float


class _Ordeal:
    """Load that goes on while faults are done, one after the other has been got over."""

    def __init__(self, stage: Staged, order: LossOrder, progress: Progress) -> None:
        self._stage, self._order, self._progress = stage, order, progress
        self._over = threading.Event()
        self._began = time.monotonic()
        self.hits: list[_Hit] = []

    def run(self, calls: Sequence[Call]) -> list[Heard]:
        """Send the calls round and round until all is over; returns what clients heard."""
        faults = threading.Thread(target=self._do, name="freehold-faults", daemon=True)
        faults.start()
        try:
            return drive(urlsplit(self._stage.url), self._load(calls), timeout_s=_CLIENT_S)
        finally:
            self._over.set()
            faults.join()

    def _load(self, calls: Sequence[Call]) -> Iterator[tuple[float, Call]]:
        self._began = time.monotonic()
        for number, call in enumerate(cycle(calls)):
            if self._over.is_set():
                return
            yield number / self._order.per_s, call

    def _do(self) -> None:
        try:
            for fault in self._order.faults:
                if self._over.wait(BEFORE_S):
                    return
                self._progress(f"workers are lost ({fault})")
                self._one(fault)
        finally:
            self._over.set()

    def _one(self, fault: LossFault) -> None:
        lost = [one.pid for one in self._stage.host.health() if one.pid]
        lost = lost if self._order.everyone else lost[:1]
        at_s = time.monotonic() - self._began
        for pid in lost:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if fault == "kill" else signal.SIGSTOP)
        end = time.monotonic() + PATIENCE_S
        while not self._well(lost) and time.monotonic() < end and not self._over.wait(_LOOK_S):
            pass
        self._over.wait(AFTER_S)
        self.hits.append(_Hit(fault, at_s, time.monotonic() - self._began))

    def _well(self, lost: Sequence[int]) -> bool:
        """Whether others are up in the place of the workers that were lost, and owned answers come."""
        health = self._stage.host.health()
        if not all(one.up and one.pid not in lost for one in health):
            return False
        last = self._stage.calls()[-1:]
        return bool(last) and last[0].owner == "owned"


# the report


def _report(
    route: Route, order: LossOrder, stage: Staged, ordeal: _Ordeal, heard: Sequence[Heard], *, restricted: bool
) -> LossDrill:
    first = ordeal.hits[0].at_s if ordeal.hits else 0.0
    usual = [one.latency_ms for one in heard if one.at_s + one.latency_ms / 1e3 < first and one.served_by == "owned"]
    rented = [call for call in stage.calls() if any(leg.owner == "rented" for leg in call.legs)]
    return LossDrill(
        task=route.task_name,
        student_id=route.student_id,
        restricted=restricted,
        workers=len(stage.host.health()),
        everyone=order.everyone,
        per_s=order.per_s,
        usual_ms=round(statistics.median(usual), 1) if usual else 0.0,
        usual_n=len(usual),
        losses=tuple(_loss(hit, stage, heard) for hit in ordeal.hits),
        left=len(rented) if restricted else 0,
    )


def _loss(hit: _Hit, stage: Staged, heard: Sequence[Heard]) -> Loss:
    during = [one for one in heard if one.at_s < hit.until_s and one.at_s + one.latency_ms / 1e3 >= hit.at_s]
    owned = [one for one in during if one.complete and one.served_by == "owned"]
    rented = sum(one.complete and one.served_by == "rented" for one in during)
    refused = sum(_refused(stage, one) for one in during)
    others = [one.at_s for one in during if not (one.complete and one.served_by == "owned")]
    after = [one.at_s for one in owned if not others or one.at_s > max(others)]
    back = 0.0 if not others else round(min(after) - hit.at_s, 2) if after else None
    return Loss(
        fault=hit.fault,
        calls=len(during),
        owned=len(owned),
        rented=rented,
        refused=refused,
        failed=len(during) - len(owned) - rented - refused,
        back_after_s=back,
        slowest_ms=round(max((one.latency_ms for one in during), default=0.0), 1),
    )


def _refused(stage: Staged, one: Heard) -> bool:
    record = stage.call(one.call_id)
    return not one.complete and record is not None and record.reason == reasons.RESTRICTED


def in_words(drill: LossDrill) -> list[str]:
    """The report for a person, but for the figures of each fault."""
    workers = "1 worker" if drill.workers == 1 else f"{drill.workers} workers"
    whom = "all of them lost at once" if drill.everyone and drill.workers > 1 else "one of them lost at a time"
    whom = "lost" if drill.workers == 1 else whom
    load = f"under {drill.per_s:g} calls a second that it is sure of"
    usual = f"An answer usually takes {drill.usual_ms:g} ms (median of {drill.usual_n})."
    lines = [f"{drill.task}: {workers} of the owned model, {whom}, {load}. {usual}"]
    failed = sum(one.failed for one in drill.losses)
    refused = sum(one.refused for one in drill.losses)
    none = "No other call failed." if refused else "No client saw a call fail."
    if drill.restricted:
        lines.append(f"It is restricted: {drill.left:,} calls reached a rented model." if drill.left else _NOTHING_LEFT)
    if refused:
        lines.append(f"{refused:,} calls were refused with a 503 and Retry-After: the official clients try them again.")
    return [*lines, f"{failed:,} calls failed." if failed else none]


_NOTHING_LEFT = "It is restricted, and nothing reached a rented model."
