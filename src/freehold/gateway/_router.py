"""Which task a call belongs to, how that task is answered, and whether its data may leave.

Holds the last good route table in memory and looks at the file a few times a second; knows no sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from freehold.errors import FreeholdError, MissingPrerequisite
from freehold.registry import routes
from freehold.registry.names import folded
from freehold.settings import TaskSettings
from freehold.vocabulary import DataClass, Match, Route, RouteTable, Task
from freehold.wire.openai import ChatRequest

from .recorded import TASK_FIELD


class Matcher(Protocol):
    """Recognises the task of a request (`freehold.tasks.matching.TaskMatcher`)."""

    def match(self, request: ChatRequest, *, declared: str = "") -> Match | None:
        """The match, or None where no task is near enough."""
        ...


MakeMatcher = Callable[[Sequence[Task]], Matcher]


class Resolution(NamedTuple):
    """What is known of a call before it is answered.

    `data_class` None: it could not be told, which counts as restricted. `route` None: no such task, or none known.
    """

    task_id: str
    task_name: str
    template_id: str
    inputs: tuple[str, ...]
    route: Route | None
    data_class: DataClass | None


_UNKNOWN = Resolution("", "", "", (), None, "ordinary")


class Router:
    """Routes calls by the table in `routes.json`.

    Args:
        file: the route table.
        declared: what the settings say of tasks, by name or id; it binds, whatever the table says.
        make_matcher: builds the matcher of a table's tasks.
    """

    def __init__(self, file: Path, declared: dict[str, TaskSettings], make_matcher: MakeMatcher) -> None:
        self._file = file
        self._make_matcher = make_matcher
        self._restricted_names = {folded(name) for name, one in declared.items() if one.data_class == "restricted"}
        self._demoted: set[str] = set()
        self._stamp: tuple[int, int, int] | None = None
        self._matcher: Matcher | None = None
        self._by_id: dict[str, Route] = {}
        self._named: dict[str, Route] = {}
        self._any_restricted = bool(self._restricted_names)
        self.table = RouteTable(0)
        self.fault: FreeholdError | None = None
        self.errors = 0

    def refresh(self) -> bool:
        """Read the table again where the file has changed; True where it was read.

        A table that cannot be read leaves the last good one in use. At start, where there is none, nobody can tell what
        is restricted, so that `resolve` refuses every call until it can be read.
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
        self.fault = None
        return True

    def demote(self, certificate_id: str) -> None:
        """Take a route's owned model off at once; it stays off while the table names that certificate."""
        self._demoted.add(certificate_id)
        self._use(self.table)

    def resolve(self, request: ChatRequest, header: str) -> Resolution:
        """Recognise a call: by header, by `metadata.freehold_task`, else by its form.

        A call is restricted where the declared task is, or where the one it looks like is: a wrong name frees nothing.

        Raises:
            MissingPrerequisite: the route table has never been readable.
        """
        if self.fault is not None:
            raise MissingPrerequisite(self.fault.message, hint=self.fault.hint, code=self.fault.error_code)
        in_body = _declared(request)
        declared = header or in_body
        if not declared and not self.table.tasks:
            return _UNKNOWN
        known = self._named.get(folded(declared)) if declared else None
        try:
            found = self._match(request, known.task_id if known is not None else "")
            seen = self._match(request, "") if known is not None and self._any_restricted else found
        except Exception:  # noqa: BLE001 -- a fault in matching may not stop a call, nor free a restricted one
            self.errors += 1
            return Resolution("", declared, "", (), None, None if self._any_restricted else "ordinary")
        route = self._route_of(found.task_id) if found is not None else known
        named = (known, route, self._route_of(seen.task_id) if seen is not None else None)
        restricted = any(map(self._restricted_name, (header, in_body))) or any(map(self._restricted_route, named))
        data_class: DataClass = "restricted" if restricted else "ordinary"
        if found is None:
            task_id = route.task_id if route is not None else declared
            return Resolution(task_id, route.task_name if route else declared, "", (), route, data_class)
        name = route.task_name if route is not None else found.task_id
        return Resolution(found.task_id, name, found.template_id, found.inputs, route, data_class)

    def _match(self, request: ChatRequest, declared: str) -> Match | None:
        if self._matcher is None or not self.table.tasks:
            return None
        return self._matcher.match(request, declared=declared) if declared else self._matcher.match(request)

    def _route_of(self, task_id: str) -> Route:
        route = self._by_id.get(task_id)
        return route if route is not None else Route(task_id, task_id)

    def _restricted_name(self, name: str) -> bool:
        wanted = folded(name)
        if not wanted:
            return False
        return wanted in self._restricted_names or self._restricted_route(self._named.get(wanted))

    def _restricted_route(self, route: Route | None) -> bool:
        if route is None:
            return False
        names = {folded(route.task_id), folded(route.task_name)}
        return route.data_class != "ordinary" or not names.isdisjoint(self._restricted_names)

    def _use(self, table: RouteTable) -> None:
        matcher = self._make_matcher(table.tasks)
        names = {task.id: task.name for task in table.tasks}
        by_id = {task_id: Route(task_id, name) for task_id, name in names.items()}
        by_id |= {route.task_id: self._adjusted(route) for route in table.routes}
        self._matcher, self.table, self._by_id = matcher, table, by_id
        self._named = {folded(name): r for r in by_id.values() for name in (r.task_name, r.task_id)}
        self._any_restricted = bool(self._restricted_names) or any(
            route.data_class != "ordinary" for route in by_id.values()
        )

    def _adjusted(self, route: Route) -> Route:
        if route.certificate_id in self._demoted and route.stage in {"canary", "full"}:
            route = msgspec.structs.replace(route, stage="demoted")
        return route


def _declared(request: ChatRequest) -> str:
    name = (request.metadata or {}).get(TASK_FIELD)
    return name if isinstance(name, str) else ""
