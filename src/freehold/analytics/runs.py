"""Calls that belong together: by trace, by session, or by one continuing the other; and which runs are of one kind.

A run is all calls of one trace; of one session, parted where nothing happened for `APART_S`; or of one conversation
(`conversations`), where its client states neither. Runs that begin alike are of one kind, whatever length they take
and whichever way they go on: an agent that searches twice and one that searches nine times are the same workflow. They
begin alike where their client names the same feature for the first call and the same task comes first. Of calls that
begin together it is chance which is first; there the task counts that most of such runs begin with.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

APART_S = 1800
"""A session that paused for longer goes on as another run."""

TOGETHER_S = 0.05
"""Calls that begin within so many seconds of a run's first are taken to begin together with it.

An owned model answers in a millisecond: its call may have ended before the one that was made beside it began.
"""

How = Literal["trace", "session", "conversation"]


class Step(NamedTuple):
    """One call of a run. `usd` None: its price is unknown. Times in microseconds since the epoch.

    `template` is the version of its prompt. `timed` False: the log does not say when it was made, or how long it took.
    `owned`: an owned model gave the answer. `asked_owned`: one was asked, whoever answered.

    Of the task's present owned model: `kept`, whether it was sure enough of its answer (which in the shadow was not
    served); `differs`, whether that answer, where it was sure, is not the rented model's. `wrong`: the answer that was
    served, by whomever, is not what a person says is right. None: nobody knows.
    """

    run: str
    how: How
    task: str
    started_us: int
    ended_us: int
    usd: Decimal | None
    ok: bool
    feature: str = ""
    timed: bool = True
    call: str = ""
    template: str = ""
    owned: bool = False
    asked_owned: bool = False
    kept: bool | None = None
    differs: bool | None = None
    wrong: bool | None = None


class Run(NamedTuple):
    """The calls of one run, in the order in which they began."""

    steps: tuple[Step, ...]

    @property
    def started_us(self) -> int:
        """When its first call was made."""
        return self.steps[0].started_us

    @property
    def ended_us(self) -> int:
        """When its last answer was there."""
        return max(step.ended_us for step in self.steps)

    @property
    def timed(self) -> bool:
        """Whether it is known of every call when it was made and how long it took."""
        return all(step.timed for step in self.steps)


class Kind(NamedTuple):
    """What runs of one kind have in common: how they were told, the feature, and the task they begin with."""

    how: How
    feature: str
    entry: str


class _Open:
    __slots__ = ("ended_us", "how", "steps")

    def __init__(self, how: How) -> None:
        self.how: How = how
        self.steps: list[Step] = []
        self.ended_us = 0


class RunMeter:
    """Takes steps in order of time and keeps them by run: some hundred bytes a call."""

    def __init__(self) -> None:
        self._open: dict[tuple[How, str], _Open] = {}
        self._runs: list[_Open] = []

    def add(self, step: Step) -> None:
        """Take one step."""
        key = step.how, step.run
        run = self._open.get(key)
        if run is None or (step.how == "session" and step.started_us - run.ended_us > APART_S * 1_000_000):
            run = self._open[key] = _Open(step.how)
            self._runs.append(run)
        run.steps.append(step)
        run.ended_us = max(run.ended_us, step.ended_us)

    def kinds(self, *, least_calls: int = 2) -> dict[Kind, list[Run]]:
        """The runs of at least `least_calls` calls by their kind, in order of time."""
        runs: dict[tuple[How, str], list[Run]] = defaultdict(list)
        for one in self._runs:
            if len(one.steps) >= least_calls:
                steps = tuple(sorted(one.steps, key=lambda step: (step.started_us, step.ended_us, step.task)))
                runs[one.how, steps[0].feature].append(Run(steps))
        found: dict[Kind, list[Run]] = defaultdict(list)
        for (how, feature), alike in runs.items():
            for entry, run in zip(_entries(alike), alike, strict=True):
                found[Kind(how, feature, entry)].append(run)
        return dict(found)

    def single(self) -> int:
        """Runs of one call: chains that are none."""
        return sum(len(run.steps) == 1 for run in self._runs)


def path(steps: Sequence[Step]) -> tuple[str, ...]:
    """The tasks of a run in order; one that is repeated at once counts once."""
    tasks: list[str] = []
    for step in steps:
        if not tasks or tasks[-1] != step.task:
            tasks.append(step.task)
    return tuple(tasks)


def _entries(runs: Sequence[Run]) -> list[str]:
    """The task that each run begins with: of those that begin together, the one that most runs begin with.

    Of equals the one that most often comes first. Shares are compared to a tenth, so that a few runs more do not change
    what a workflow is.
    """
    waves = [_first_wave(run) for run in runs]
    within = Counter(task for wave in waves for task in wave)
    first = Counter(run.steps[0].task for run in runs)
    rank = {
        task: (-round(10 * n / len(runs)), -round(10 * first[task] / len(runs)), task) for task, n in within.items()
    }
    return [min(wave, key=lambda task: rank[task]) for wave in waves]


def _first_wave(run: Run) -> set[str]:
    """The tasks of the calls that were made before any of the run's calls had ended, or at once."""
    ended_us = max(run.steps[0].ended_us, run.started_us + round(TOGETHER_S * 1e6))
    wave = {run.steps[0].task}
    for step in run.steps[1:]:
        if step.started_us >= ended_us:
            break
        wave.add(step.task)
        ended_us = min(ended_us, max(step.ended_us, run.started_us + round(TOGETHER_S * 1e6)))
    return wave
