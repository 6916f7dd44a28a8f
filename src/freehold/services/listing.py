"""The recorded calls as a person or a script reads them: one row each, with its task."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

import msgspec

from .home import Home


class CallRow(msgspec.Struct, frozen=True):
    """One call without its bodies.

    `task` is a name, "" where the call recurs in none; costs are not known here (`freehold explain` has them). `reason`
    is a code of `vocabulary.reasons`, `key` the name of the caller's virtual key; both are "" where none was recorded.
    """

    id: str
    task: str
    task_id: str
    version: str
    recognised: str
    started_at: str
    provider: str
    model: str
    served_by: str
    outcome: str
    status: int
    latency_ms: float
    confidence: float | None
    has_gold: bool
    reason: str
    key: str


def calls(home: Home, *, task_name: str = "", limit: int = 0, last: int = 0) -> Iterator[CallRow]:
    """Every recorded call, oldest first; with `task_name`, that task's alone.

    With `limit`, at most so many, the oldest ones; with `last`, so many of the newest.

    Raises:
        NotFound: there is no such task.
    """
    wanted = home.task(task_name).id if task_name else None
    names = {task.id: task.name for task in home.registry.tasks()}
    if wanted is None and last:
        pairs = home.recognise(home.calls(since_us=home.began_us(last)))
    else:
        pairs = home.recognised(task_id=wanted)
    if last:
        pairs = iter(deque(pairs, last))
    for call, match in islice(pairs, limit) if limit else pairs:
        yield CallRow(
            id=call.id,
            task=names.get(match.task_id, "") if match else "",
            task_id=match.task_id if match else "",
            version=match.template_id if match else "",
            recognised=match.how if match else "",
            started_at=datetime.fromtimestamp(call.started_at_us / 1e6, UTC).isoformat(timespec="milliseconds"),
            provider=call.provider,
            model=call.model,
            served_by=call.owner,
            outcome=call.outcome,
            status=call.status,
            latency_ms=call.latency_ms,
            confidence=next((leg.confidence for leg in call.legs if leg.confidence is not None), None),
            has_gold=call.gold is not None,
            reason=call.reason,
            key=call.key,
        )
