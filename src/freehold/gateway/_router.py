"""Which task a call belongs to, how that task is answered, and whether its data may leave.

Holds the last good route table in memory and looks at the file a few times a second; knows no sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from freehold.errors import FreeholdError, MissingPrerequisite
from freehold.registry import routes
from freehold.registry.names import folded
from freehold.settings import TaskSettings
from freehold.vocabulary import DataClass, Match, Route, RouteTable, Task, Template
from freehold.wire.openai import ChatRequest

from ._restriction import Restriction, is_variant
from .recorded import TASK_FIELD


class Matcher(Protocol):
    """Recognises the task of a request (`freehold.tasks.matching.TaskMatcher`)."""

    def match(self, request: ChatRequest, *, declared: str = "") -> Match | None:
        """The match, or None where no task is near enough."""
        ...


MakeMatcher = Callable[[Sequence[Task]], Matcher]


class Resolution(msgspec.Struct, frozen=True, gc=False):
    """What is known of a call before it is answered.

    `data_class` None: it could not be told, which counts as restricted. `route` None: no such task, or none known.
    `declared_id` is the known task that the caller named, "" where none was named. `named` is the name in the
    settings that the caller gave, whether or not a task of that name has been found; other names are nobody's.
    """

    task_id: str
    task_name: str
    template_id: str
    inputs: tuple[str, ...]
    route: Route | None
    data_class: DataClass | None
    declared_id: str = ""
    named: str = ""


_UNKNOWN = Resolution("", "", "", (), None, "ordinary")


class Router:
    """Routes calls by the table in `routes.json`.

    Once restricted, a task, its templates and their text stay so while this process lives, whatever is published.

    Args:
        file: the route table.
        declared: what the settings say of tasks, by name or id; `restricted` binds, whatever the table says.
        make_matcher: builds the matcher of a table's tasks.
        ordinary: the names that the settings declare ordinary in so many words. Such a task is not taken for a version
            of a restricted one because their prompts are alike.
    """

    def __init__(
        self,
        file: Path,
        declared: dict[str, TaskSettings],
        make_matcher: MakeMatcher,
        ordinary: Collection[str] = (),
    ) -> None:
        self._file = file
        self._make_matcher = make_matcher
        self._settled = {folded(name): name for name in declared}
        self._restricted_names = {folded(name) for name, one in declared.items() if one.data_class == "restricted"}
        self._ordinary_names = set(map(folded, ordinary)) - self._restricted_names
        self._unpublished = set(self._restricted_names)
        self._restricted_ids: set[str] = set()
        self._restricted_templates: dict[str, Template] = {}
        self._variants: set[str] = set()
        self._restriction = Restriction((), ())
        self._demoted: set[str] = set()
        self._stamp: tuple[int, int, int] | None = None
        self._matcher: Matcher | None = None
        self._by_id: dict[str, Route] = {}
        self._named: dict[str, Route] = {}
        self.table = RouteTable(0)
        self.fault: FreeholdError | None = None
        self.errors = 0

    def refresh(self) -> bool:
        """Read the table again where the file has changed; True where it was read.

        A table that cannot be read leaves the last good one in use. At start, where there is none, nobody can tell what
        is restricted, so that `resolve` refuses every call until it can be read. The same holds until the table knows
        every name that the settings declare restricted: only the registry can tell whose earlier name that is.
        """
        try:
            stat = self._file.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except FileNotFoundError:
            if self._stamp is not None or self._matcher is not None:
                return False  # published once and gone now: what was restricted stays restricted
            stamp = (0, 0, 0)
        except OSError:
            stamp = (-1, 0, 0)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            table = routes.load(self._file)
            self._use(table)
        except FreeholdError as error:
            self.errors += 1
            if self._matcher is None:
                self.fault = error
            return False
        self.fault = _unpublished(len(self._unpublished)) if self._unpublished else None
        return True

    def demote(self, certificate_id: str) -> None:
        """Take a route's owned model off at once; it stays off while the table names that certificate."""
        self._demoted.add(certificate_id)
        self._use(self.table)

    def unseen_restricted(self) -> list[str]:
        """Names declared restricted that no recorded call belongs to: only a caller who names them is held back."""
        without = [task for task in self.table.tasks if not task.templates]
        return [task.name for task in without if self._restricted(task.id)]

    def resolve(self, request: ChatRequest, header: str, *, by_form: bool = True) -> Resolution:
        """Recognise a call: by header, by `metadata.freehold_task`, else by its form.

        Without `by_form` a call belongs to a task by name alone, as where it asks for no answer to the text it holds
        (embeddings). Whether it is restricted is looked for in its form all the same.

        A call is restricted where the declared task is, where the one it looks like is, or where it holds the text of
        one: a wrong name frees nothing.

        Raises:
            MissingPrerequisite: the route table has never been readable, or lacks what the settings restrict.
        """
        if self.fault is not None:
            raise MissingPrerequisite(self.fault.message, hint=self.fault.hint, code=self.fault.error_code)
        in_body = _declared(request)
        declared = header or in_body
        if not declared and not self.table.tasks and not self.any_restricted:
            return _UNKNOWN
        known = self._named.get(folded(declared)) if declared else None
        named = self._settled.get(folded(declared), "") if declared else ""
        declared_id = known.task_id if known is not None else ""
        try:
            found = self._match(request, declared_id)
            seen = self._match(request, "") if known is not None and self.any_restricted else found
            holds = self._restriction.held_by(request, found.template_id if found is not None else "")
        except Exception:  # noqa: BLE001 -- a fault in matching may not stop a call, nor free a restricted one
            self.errors += 1
            return Resolution("", "", "", (), None, None if self.any_restricted else "ordinary", "", named)
        data_class: DataClass = "ordinary"
        if self.any_restricted:
            ids = (declared_id, found.task_id if found is not None else "", seen.task_id if seen is not None else "")
            if holds or any(map(self._restricted_name, (header, in_body))) or any(map(self._restricted, ids)):
                data_class = "restricted"
        if found is None or not (by_form or declared_id):
            name = known.task_name if known is not None else ""
            return Resolution(declared_id, name, "", (), known, data_class, declared_id, named)
        route = self._by_id.get(found.task_id) or Route(found.task_id, found.task_id)
        return Resolution(
            found.task_id, route.task_name, found.template_id, found.inputs, route, data_class, declared_id, named
        )

    @property
    def any_restricted(self) -> bool:
        """Whether any task is restricted, known or only named."""
        return bool(self._restricted_names or self._restricted_ids)

    def _match(self, request: ChatRequest, declared: str) -> Match | None:
        if self._matcher is None or not self.table.tasks:
            return None
        return self._matcher.match(request, declared=declared) if declared else self._matcher.match(request)

    def _restricted_name(self, name: str) -> bool:
        wanted = folded(name) if name else ""
        route = self._named.get(wanted)
        return wanted in self._restricted_names or (route is not None and self._restricted(route.task_id))

    def _restricted(self, task_id: str) -> bool:
        return task_id in self._restricted_ids or task_id in self._variants

    def _use(self, table: RouteTable) -> None:
        matcher = self._make_matcher(table.tasks)
        names = {task.id: task.name for task in table.tasks}
        by_id = {task_id: Route(task_id, name) for task_id, name in names.items()}
        by_id |= {route.task_id: self._adjusted(route) for route in table.routes}
        self._matcher, self.table, self._by_id = matcher, table, by_id
        self._named = {folded(name): r for r in by_id.values() for name in (r.task_name, r.task_id)}
        self._restrict(table, by_id)

    def _restrict(self, table: RouteTable, by_id: dict[str, Route]) -> None:
        """Add to what is restricted, never take from it, and prepare the test of texts."""
        self._restricted_names |= set(map(folded, table.restricted_names))
        for route in by_id.values():
            named = not self._restricted_names.isdisjoint({folded(route.task_id), folded(route.task_name)})
            if named or route.data_class != "ordinary":
                self._restricted_ids.add(route.task_id)
                self._unpublished -= {folded(route.task_id), folded(route.task_name)}
        self._unpublished -= set(map(folded, table.restricted_names))
        for task in table.tasks:
            if not self._restricted_templates.keys().isdisjoint(template.id for template in task.templates):
                self._restricted_ids.add(task.id)
            if task.id in self._restricted_ids:
                self._restricted_templates |= {template.id: template for template in task.templates}
        texts = list(self._restricted_templates.values())
        others = [task for task in table.tasks if task.id not in self._restricted_ids]
        doubtful = [task for task in others if self._ordinary_names.isdisjoint({folded(task.id), folded(task.name)})]
        self._variants = {task.id for task in doubtful if any(is_variant(one, texts) for one in task.templates)}
        ordinary = [one for task in others if task.id not in self._variants for one in task.templates]
        self._restriction = Restriction(texts, ordinary if texts else ())

    def _adjusted(self, route: Route) -> Route:
        if route.certificate_id in self._demoted and route.stage in {"canary", "full"}:
            route = msgspec.structs.replace(route, stage="demoted")
        return route


def _unpublished(count: int) -> FreeholdError:
    return MissingPrerequisite(
        f"the route table does not hold {count} of the tasks that the settings declare restricted",
        hint="freehold up publishes it at start, and so does freehold tasks; freehold doctor says what is in the way",
        code="routes_incomplete",
    )


def _declared(request: ChatRequest) -> str:
    name = (request.metadata or {}).get(TASK_FIELD)
    return name if isinstance(name, str) else ""
