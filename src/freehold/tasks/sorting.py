"""Sort many calls quickly: which known task each is of, and of what shape those are that are of none.

The same answers as `matching`, from the few parts of a call that they need. A call whose template was recorded when it
was made is not looked at again: its body is not even decoded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from freehold.errors import BadRequest
from freehold.vocabulary import Task
from freehold.wire.known import EMBEDDINGS, dialect

from ._request import View, view
from .matching import TaskMatcher
from .stated import has_body, said

UNKNOWN = "?"
"""What the kind of a call begins with that is left to find a task for."""
STATED = "="
"""What the kind of a call without a body begins with."""


class Sorted(NamedTuple):
    """What a call is: its task as far as its form tells, the template it fits, how that is known, and its kind.

    The task that its caller declared is not looked at: names change, forms do not. `kind` is the template, else
    `UNKNOWN` with a digest of the shape, else `STATED` with what the log says; "" where there is nothing to find.
    """

    task: str
    template: str
    how: str
    kind: str


_NOTHING = Sorted("", "", "", "")


class Sorter:
    """Sorts calls among known tasks.

    Args:
        tasks: the tasks to know.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._matcher = TaskMatcher(tasks)
        self._task_of = {template.id: task.id for task in tasks for template in task.templates}
        self._shapes: dict[tuple[str, str, bool], str] = {}

    def sort(self, request: bytes, spoken: str, template: str, tags: str, model: str, key: str) -> Sorted:
        """Sort one call, given its body, its dialect, the template recorded with it, its tags (JSON), model and key."""
        task = self._task_of.get(template)
        if task is not None:
            return Sorted(task, template, "template", template)
        if not has_body(request):
            group = said(tags, model, key, spoken)
            return Sorted("", "", "stated", STATED + group) if group else _NOTHING
        seen = _looked_at(request, spoken)
        return _NOTHING if seen is None else self._by_form(seen)

    def _by_form(self, seen: View) -> Sorted:
        match = self._matcher.match_view(seen)
        if match is not None and match.template_id:
            return Sorted(match.task_id, match.template_id, match.how, match.template_id)
        if match is not None:
            return Sorted(match.task_id, "", match.how, self._shape(seen))
        return Sorted("", "", "", self._shape(seen))

    def _shape(self, seen: View) -> str:
        """What calls must share to be mined together."""
        shape = (seen.tools, seen.schema, bool(seen.roles) and seen.roles[0] == "system")
        found = self._shapes.get(shape)
        if found is None:
            digest = hashlib.sha256("\0".join(map(str, shape)).encode()).hexdigest()[:12]
            found = self._shapes[shape] = UNKNOWN + digest
        return found


def _looked_at(request: bytes, spoken: str) -> View | None:
    format_ = dialect(spoken)
    if format_ is EMBEDDINGS:
        return None
    try:
        return view(format_.decode(request).chat)
    except BadRequest:
        return None


def key_of(tasks: Sequence[Task]) -> str:
    """Names what these tasks recognise calls by: other templates, another name. Tasks' own names do not count."""
    ids = sorted(template.id for task in tasks for template in task.templates)
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]
