"""From the name of a model to who is asked for it, in which order.

A name is an alias of the settings, `provider/model`, `task:NAME`, or whatever the default provider makes of it. Knows
settings and providers; sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from freehold.errors import ConfigurationError, MissingPrerequisite, NotFound
from freehold.registry.names import folded, from_header
from freehold.settings import Settings

from ._egress import Provider
from .resilience.policy import TargetName

TASK_PREFIX = "task:"
TASK_HEADER = b"x-freehold-task"
_KEPT = 4096


def declared_task(named: Mapping[bytes, bytes], model: str) -> str:
    """The task that a caller names, in one of its headers or as the model's name; "" where none is named."""
    value = named.get(TASK_HEADER)
    if value:
        return from_header(value)
    return model.removeprefix(TASK_PREFIX) if model.startswith(TASK_PREFIX) else ""


class Target(NamedTuple):
    """A provider and the name that it knows the model by, "" where the request's own name holds.

    `name`: both as they are spoken of, with the request's name where that holds.
    """

    provider: Provider
    model: str
    name: TargetName


class Targets:
    """Who can be asked.

    Args:
        settings: aliases, tasks' models, the default provider.
        providers: every provider by name.

    Raises:
        ConfigurationError: an alias names a provider that there is not.
    """

    def __init__(self, settings: Settings, providers: Mapping[str, Provider]) -> None:
        self._default = settings.default_provider
        self._providers = providers
        self._aliases = {name: one.targets for name, one in settings.models.items()}
        self._of_task = {folded(name): one.model for name, one in settings.tasks.items() if one.model}
        self._found: dict[tuple[str, str], tuple[Target, ...]] = {}
        for name, targets in self._aliases.items():
            for target in targets:
                if target.partition("/")[0] not in providers:
                    raise ConfigurationError(
                        f"models.{name}.targets names the provider {target.partition('/')[0]!r}, which there is not",
                        hint="see docs/settings.md",
                    )

    @property
    def aliases(self) -> tuple[str, ...]:
        """Names of models that the settings add to those of the providers."""
        return (*self._aliases, *(f"{TASK_PREFIX}{name}" for name in self._of_task))

    def of(self, model: str, dialect: str) -> tuple[Target, ...]:
        """Who is asked for `model`, the first choice first; never empty.

        Raises:
            MissingPrerequisite: there is no provider, or none is the default.
            NotFound: `task:NAME`, and nothing says which model that task rents.
        """
        found = self._found.get((model, dialect))
        if found is None:
            found = self._chosen(model, dialect)
            if len(self._found) < _KEPT:  # names come from clients: they may not fill the memory
                self._found[model, dialect] = found
        return found

    def default(self, dialect: str) -> Provider:
        """The provider for names that say none: the default, or the first that speaks the dialect where it does not.

        Raises:
            MissingPrerequisite: there is none.
        """
        name = self._default
        if not name and len(self._providers) == 1:
            name = next(iter(self._providers))
        if name and (not dialect or self._providers[name].speaks(dialect)):
            return self._providers[name]
        native = next((one for one in self._providers.values() if dialect and one.speaks(dialect)), None)
        if native is not None and (name or len([p for p in self._providers.values() if p.speaks(dialect)]) == 1):
            return native
        if name:
            return self._providers[name]
        missing = "default_provider" if self._providers else "a provider"
        raise MissingPrerequisite(
            f"{missing} is not set in freehold.toml, so that there is nobody to answer",
            hint='set default_provider = "NAME" and [providers.NAME] with kind and base_url or file',
        )

    def _chosen(self, model: str, dialect: str) -> tuple[Target, ...]:
        renamed = model.startswith(TASK_PREFIX)
        if renamed:
            model = self._task_model(model.removeprefix(TASK_PREFIX))
        names = self._aliases.get(model) or (model,)
        chosen = self._with_fallbacks([self._target(name, dialect, renamed=renamed) for name in names])
        return tuple(Target(one, name, TargetName(one.name, name or model)) for one, name in chosen)

    def _target(self, name: str, dialect: str, *, renamed: bool) -> tuple[Provider, str]:
        provider, slash, model = name.partition("/")
        if slash and provider in self._providers:
            return self._providers[provider], model
        return self.default(dialect), name if renamed else ""

    def _task_model(self, task: str) -> str:
        model = self._of_task.get(folded(task))
        if not model:
            raise NotFound(
                f"the task {task!r} has no model of its own to rent",
                hint=f'set [tasks."{task}"] model = "PROVIDER/MODEL"',
                code="model_not_found",
            )
        return model

    def _with_fallbacks(self, targets: list[tuple[Provider, str]]) -> list[tuple[Provider, str]]:
        """The same with each provider's own fallback after the last, as far as that leads to somebody new."""
        names = {provider.name for provider, _ in targets}
        last, model = targets[-1]
        while (name := last.fallback) and name not in names:
            names.add(name)
            last = self._providers[name]
            targets.append((last, model))
        return targets
