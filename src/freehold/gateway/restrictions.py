"""What is restricted among recorded calls: the gateway's own answer, for those who show calls to others."""

from __future__ import annotations

from freehold.errors import FreeholdError
from freehold.registry import routes
from freehold.registry.names import declared_ordinary
from freehold.settings import Loaded
from freehold.tasks.matching import TaskMatcher
from freehold.vocabulary import DATA_CLASS_TAG, Call, reasons
from freehold.wire.known import dialect

from ._router import Router


class Restrictions:
    """Tells restricted calls from others, by what holds now and by what held when they were made.

    Args:
        loaded: settings and home; what the settings declare restricted stays so for this object's life.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._router = Router(routes.path(loaded.home), loaded.settings.tasks, TaskMatcher, declared_ordinary(loaded))

    def refresh(self) -> None:
        """Read the route table again where it has changed."""
        self._router.refresh()

    def hold(self, call: Call) -> bool:
        """Whether a call's content may not be shown. True also where nobody can tell."""
        if DATA_CLASS_TAG in call.tags or call.reason == reasons.RESTRICTED:
            return True
        try:
            asked = dialect(call.dialect).decode(call.request)
            return self._router.resolve(asked.chat, call.task).data_class != "ordinary"
        except FreeholdError:
            return True
