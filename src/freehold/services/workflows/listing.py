"""The recurring chains of calls in the traffic, each with what it takes."""

from __future__ import annotations

import msgspec

from freehold.analytics.workflows import Workflow, measured
from freehold.services._pass import MOST_CALLS
from freehold.services.home import Home, Progress, silent
from freehold.services.windows import Looked, Window

from ._runs import gather
from .standing import Standing, standing


class Workflows(msgspec.Struct, frozen=True):
    """Calls that belong together, the workflow with most calls first.

    `single` runs hold one call. `unchained` calls state neither trace nor session, and continue no other. `promises`:
    what was last promised of a workflow's runs, by its id.
    """

    looked: Looked
    workflows: tuple[Workflow, ...]
    single: int
    unchained: int
    promises: dict[str, Standing]


def workflows(home: Home, window: Window, *, most: int = MOST_CALLS, progress: Progress = silent) -> Workflows:
    """Chains of calls by trace, session or conversation."""
    chains = gather(home, window, most, progress)
    found = [measured(kind, chains.names[kind], runs, chains.tasks) for kind, runs in chains.kinds.items()]
    found.sort(key=lambda one: (-one.calls, one.name))
    promises = {one.id: told for one in found if (told := standing(home, one.id)) is not None}
    return Workflows(chains.looked, tuple(found), chains.single, chains.unchained, promises)
