"""One `FREEHOLD_HOME`, opened: its settings, its ledger, its registry, and the calls as their tasks see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from freehold import settings as settings_module
from freehold.errors import MissingPrerequisite
from freehold.ledger import Ledger
from freehold.market.tokens import PriceBook
from freehold.settings import Loaded, Settings, TaskSettings
from freehold.vocabulary import Call, Match, Task

if TYPE_CHECKING:
    from freehold.registry.store import Registry

Progress = Callable[[str], None]
"""Told, in words, what is being done now."""


def silent(_what: str) -> None:
    """Progress for those who do not ask."""


class Home:
    """Everything that lives under one folder.

    `until_us` bounds what this home can see: no walk through it reads a call that started later. A backtest learns
    through such a bounded home, so that it cannot peek.
    """

    def __init__(self, loaded: Loaded, *, until_us: int | None = None) -> None:
        self.loaded = loaded
        self.settings: Settings = loaded.settings
        self.path: Path = loaded.home
        self.until_us = until_us

    @classmethod
    def open(cls) -> Self:
        """Open the home that the environment and the working folder name."""
        return cls(settings_module.load())

    @cached_property
    def ledger(self) -> Ledger:
        """The calls."""
        return Ledger(self.path, self.settings.ledger)

    @cached_property
    def registry(self) -> Registry:
        """Tasks, students, certificates, stages."""
        from freehold.registry.store import Registry  # loads a query builder, which a kept question does without

        return Registry(self.path, self.settings)

    @cached_property
    def prices(self) -> PriceBook:
        """Prices as this home pays them."""
        urls = {name: provider.address for name, provider in self.settings.providers.items()}
        return PriceBook(self.settings.prices, urls)

    def close(self) -> None:
        """Close whatever was opened."""
        if "registry" in self.__dict__:
            self.registry.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def calls(self, *, bodies: bool = True, since_us: int | None = None) -> Iterator[Call]:
        """Every call this home may see, those that began at `since_us` or later where that is given, oldest first."""
        return self.ledger.calls(since_us=since_us, until_us=self.until_us, bodies=bodies)

    def began_us(self, newest: int) -> int:
        """When the first of so many of the newest calls began; 0 where there are fewer."""
        sql = "SELECT started_at_us FROM calls WHERE started_at_us < ? ORDER BY 1 DESC LIMIT ?"
        until_us = 2**62 if self.until_us is None else self.until_us
        found = self.ledger.query(sql, [until_us, newest]).rows
        return int(found[-1][0]) if len(found) == newest else 0

    def task(self, name: str) -> Task:
        """The task of that name or id.

        Raises:
            MissingPrerequisite: no tasks have been found yet.
            NotFound: there is no such task; the hint names close ones.
        """
        if not self.registry.tasks():
            raise MissingPrerequisite("no tasks have been found yet", hint="freehold import LOG, then freehold tasks")
        return self.registry.task(name)

    def recognised(self, *, task_id: str | None = None) -> Iterator[tuple[Call, Match | None]]:
        """Every call with what it is recognised as; with `task_id`, that task's, and few others are matched anew."""
        if task_id is None:
            yield from self.recognise(self.calls())
            return
        templates = [template.id for template in self.registry.task(task_id).templates]
        for call, match in self.recognise(self.ledger.calls(until_us=self.until_us, templates=templates)):
            if match is not None and match.task_id == task_id:
                yield call, match

    def recognise(self, calls: Iterable[Call]) -> Iterator[tuple[Call, Match | None]]:
        """Any calls, with what they are recognised as among this home's tasks."""
        from freehold.tasks.matching import TaskMatcher  # nobody but a reader of calls recognises any

        matcher = TaskMatcher(self.registry.tasks())
        for call in calls:
            yield call, matcher.match_call(call)

    def task_settings(self, task: Task) -> TaskSettings:
        """What a person declared about the task, under any name it has or had."""
        return self.registry.task_settings(task.id)

    def count(self) -> int:
        """How many calls this home may see."""
        if self.until_us is None:
            return self.ledger.count()
        return sum(1 for _ in self.calls(bodies=False))

    def span_us(self) -> tuple[int, int] | None:
        """When the first and the last call began that this home may see; None where there is none."""
        sql = "SELECT min(started_at_us), max(started_at_us) FROM calls WHERE started_at_us < ?"
        ((first, last),) = self.ledger.query(sql, [2**62 if self.until_us is None else self.until_us]).rows
        return None if first is None else (first, last)

    def audit_share(self, task: Task) -> float:
        """The share of the task's owned answers that also go to the rented model."""
        declared = self.task_settings(task).audit_share
        return self.settings.certificate.audit_share if declared is None else declared
