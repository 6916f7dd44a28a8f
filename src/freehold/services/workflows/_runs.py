"""The runs in the newest calls, by their kinds, and what each kind is called."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from freehold.analytics.conversations import Conversations
from freehold.analytics.runs import How, Kind, Run, RunMeter, Step
from freehold.analytics.seen import Seen, run_of
from freehold.analytics.workflows import identity, names
from freehold.errors import NotFound
from freehold.services._pass import Pass, cost
from freehold.services.home import Home, Progress
from freehold.services.windows import Looked, Window
from freehold.vocabulary import FEATURE_TAG, GATEWAY, UNTIMED_TAG
from freehold.wire.known import DIALECTS

from ._judging import Judge, Judged


class Chains(NamedTuple):
    """All runs of the calls looked at. Tasks are ids in it, and `tasks` has their names.

    `single` runs hold one call. `unchained` calls state neither trace nor session, and continue no other. `owned_ms`:
    how long owned models took to answer, by student, whatever they were asked for. `calls`: when every call was made,
    its task and its prompt version, whether it is part of a run or not.
    """

    looked: Looked
    kinds: Mapping[Kind, list[Run]]
    names: Mapping[Kind, str]
    tasks: Mapping[str, str]
    single: int
    unchained: int
    owned_ms: Mapping[str, list[float]]
    calls: Sequence[tuple[int, str, str]]

    def find(self, name: str) -> Kind:
        """The kind of that name or id.

        Raises:
            NotFound: there is none; the hint names close ones.
        """
        for kind, called in self.names.items():
            if name in (called, identity(kind)):
                return kind
        close = difflib.get_close_matches(name, list(self.names.values()), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "freehold workflows lists them"
        raise NotFound(f"there is no workflow {name} in these calls", hint=hint)


def gather(home: Home, window: Window, most: int, progress: Progress, judge: Judge | None = None) -> Chains:
    """Every run of two calls or more in the newest calls of a window; with a judge, its answers are judged."""
    tasks = {task.id: task.name for task in home.registry.tasks()}
    meter, conversations = RunMeter(), Conversations()
    waiting: dict[str, Step] = {}  # first calls of what may become conversations
    owned_ms: dict[str, list[float]] = defaultdict(list)
    calls: list[tuple[int, str, str]] = []
    walk = Pass(home, window, most, progress, {task_id: task_id for task_id in tasks})
    for seen in walk:
        calls.append((seen.call.started_at_us, seen.task, seen.template))
        for leg in seen.call.legs:
            if leg.owner == "owned" and leg.outcome == "ok":
                owned_ms[leg.model].append(leg.latency_ms)
        how, run = _chained(seen, conversations)
        step = _step(home, seen, how, run, judge.of(seen) if judge is not None else Judged())
        if how == "conversation" and run == seen.call.id:
            waiting[run] = step
            continue
        if how == "conversation" and run in waiting:
            meter.add(waiting.pop(run))
        meter.add(step)
    kinds = meter.kinds()
    called = names({kind: len(runs) for kind, runs in kinds.items()}, tasks)
    return Chains(walk.looked(), kinds, called, tasks, meter.single(), len(waiting), owned_ms, calls)


def _step(home: Home, seen: Seen, how: How, run: str, judged: Judged) -> Step:
    call = seen.call
    usd, known = cost(home, seen)
    return Step(
        run=run,
        how=how,
        task=seen.task,
        started_us=call.started_at_us,
        ended_us=seen.ended_us,
        usd=usd if known else None,
        ok=call.outcome == "ok",
        feature=call.tags.get(FEATURE_TAG, ""),
        timed=UNTIMED_TAG not in call.tags and (call.latency_ms > 0 or call.source == GATEWAY),
        call=call.id,
        template=seen.template,
        owned=call.owner == "owned",
        asked_owned=any(leg.owner == "owned" and leg.purpose == "serve" for leg in call.legs),
        kept=judged.kept,
        differs=judged.differs,
        wrong=judged.wrong,
    )


def _chained(seen: Seen, conversations: Conversations) -> tuple[How, str]:
    kind, run = run_of(seen.call)
    if kind == "trace":
        return "trace", run
    if kind == "session":
        return "session", run
    if seen.chat is None:
        return "conversation", seen.call.id
    dialect = DIALECTS[seen.call.dialect]
    answer = dialect.answer_text(seen.call.response) if seen.call.response else None
    return "conversation", conversations.add(seen, answer).conversation
