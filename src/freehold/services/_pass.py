"""One walk over the newest calls of a window, in order of time, each with its task and what it cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from freehold.analytics.seen import Seen, look, rented_legs
from freehold.vocabulary import ENDED_FREE, ZERO

from .home import Home, Progress
from .windows import Looked, Window, moment, newest

MOST_CALLS = 100_000
"""So many of the newest calls are looked at unless somebody asks for more: about ten seconds' work."""


class Pass:
    """The walk, counting what was seen. `tasks`: what to call the tasks, by id; their names where it is not given."""

    def __init__(
        self, home: Home, window: Window, most: int, progress: Progress, tasks: Mapping[str, str] | None = None
    ) -> None:
        self._home = home
        self._names = {task.id: task.name for task in home.registry.tasks()} if tasks is None else tasks
        self._calls, self._held = newest(home, window, most)
        self._progress = progress
        self.count = self.first_us = self.last_us = 0

    def __iter__(self) -> Iterator[Seen]:
        for call, match in self._home.recognise(self._calls):
            self.count += 1
            self.first_us = self.first_us or call.started_at_us
            self.last_us = call.started_at_us
            if self.count % 5000 == 0:
                self._progress(f"looking at {self.count:,} calls")
            known = match is not None and match.task_id in self._names
            yield (
                look(call, self._names[match.task_id], match.template_id) if match is not None and known else look(call)
            )

    def looked(self) -> Looked:
        """What the figures rest on."""
        if not self.count:
            return Looked(0, self._held, "", "")
        return Looked(self.count, self._held, moment(self.first_us), moment(self.last_us))


def cost(home: Home, seen: Seen) -> tuple[Decimal, bool]:
    """What a call's requests to rented models cost, and whether all of it is known."""
    usd, known = ZERO, True
    for leg in rented_legs(seen.call):
        if leg.usage is None:
            known = known and leg.outcome in ENDED_FREE
            continue
        priced = home.prices.price_leg(seen.call, leg, leg.usage).usd
        known = known and priced is not None
        usd += priced or ZERO
    return usd, known
