"""What persons declare about a task and no log shows: asked for, kept, and put before the decision.

Answers are kept in the home's `answers.toml`, below `freehold.toml`, and not in the registry: a file can be read,
edited and put under version control, `freehold config` shows its values with their origin like all others, and what
binds the gateway (`data_class`) binds by the same way as ever. That somebody answered is in the audit log.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, get_args

import msgspec

from freehold import settings as settings_module
from freehold.errors import UsageError
from freehold.market import places
from freehold.registry.names import folded
from freehold.settings import Skill, Strategy, TaskSettings
from freehold.verdict import Constraints
from freehold.verdict.constraints import text
from freehold.vocabulary import Task

from .home import Home

NOT_KNOWN = "unknown"
"""The answer that takes an answer back."""

_YES = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}


class Question(NamedTuple):
    """One question: the setting it fills, its words, how an answer is written, and how it is read."""

    name: str
    words: str
    answers: str
    read: Callable[[str], object]


class Answered(msgspec.Struct, frozen=True):
    """A question with the answer that holds. `value` None: nobody said. `origin`: where it was said, "" for nowhere."""

    name: str
    question: str
    answers: str
    value: str | None
    origin: str


def _yes_or_no(said: str) -> bool:
    return _YES[said.lower()]


def _several(**words: Sequence[str]) -> Callable[[str], object]:
    """A list, separated by commas, or one of some words for a whole one."""

    def read(said: str) -> list[str]:
        whole = words.get(said.lower())
        return [one.strip().lower() for one in said.split(",")] if whole is None else list(whole)

    return read


def _word(said: str) -> str:
    return said.lower()


QUESTIONS: tuple[Question, ...] = (
    Question("data_class", "May its data reach a rented model?", "ordinary (it may) or restricted (never)", _word),
    Question(
        "residency",
        "Where may its data be processed?",
        "eu, eea, countries as de,gb, or anywhere",
        _several(anywhere=()),
    ),
    Question("frames", "Which compliance frames bind it?", "names as hipaa,pci_dss, or none", _several(none=())),
    Question("max_latency_ms", "How long may an answer take at the median?", "milliseconds", float),
    Question("can_wait", "May every answer come a day later, as those of a batch do?", "yes or no", _yes_or_no),
    Question(
        "skills",
        "Who is on the team to run servers with GPUs, or to train models?",
        "gpu_serving, training, both, or none",
        _several(none=(), both=get_args(Skill)),
    ),
    Question("appetite", "How sure must an answer be before you act on it?", "low, medium or high appetite", _word),
    Question("prototype", "Is it an experiment that may end soon?", "yes or no", _yes_or_no),
    Question("generic", "Is it a task that everybody has alike?", "yes or no", _yes_or_no),
    Question("core", "Is it at the core of what you sell?", "yes or no", _yes_or_no),
    Question("niche", "Does it need a domain that few know?", "yes or no", _yes_or_no),
    Question("strategic", "Would owning it be an asset against rivals?", "yes or no", _yes_or_no),
)
"""What `freehold ask` asks, in this order."""


def constraints(home: Home, task: Task, model: tuple[str, str] = ("", "")) -> Constraints:
    """What binds a task: its own declarations, else those for all tasks, and what is known of its providers.

    `model`: provider and name of the model that it is rented from, because a name may say where it is processed.
    """
    own, general = home.task_settings(task), home.settings.strategy
    chosen: dict[str, object] = {}
    for name in Strategy.__struct_fields__:
        value = getattr(own, name)
        chosen[name] = getattr(general, name) if value is None else value
    providers = home.settings.providers
    return Constraints(
        data_class=own.data_class,
        strategy=msgspec.convert(chosen, Strategy),
        places={
            name: places.processes_in(one, model[1] if name == model[0] else "") for name, one in providers.items()
        },
        frames={name: one.frames for name, one in providers.items() if one.frames},
        origins=_origins(home, task),
    )


def answered(home: Home, task: Task) -> list[Answered]:
    """Every question with the answer that holds for a task today."""
    bound = constraints(home, task)
    rows: list[Answered] = []
    for asked in QUESTIONS:
        value = bound.data_class if asked.name == "data_class" else getattr(bound.strategy, asked.name)
        said = asked.name in bound.origins or (asked.name != "data_class" and value is not None)
        shown = text(value) if said or value == "restricted" else None
        if said and value == () and asked.name == "residency":
            shown = "anywhere"
        rows.append(Answered(asked.name, asked.words, asked.answers, shown, bound.origins.get(asked.name, "")))
    return rows


def parse(said: Mapping[str, str]) -> dict[str, object]:
    """Answers as settings; None for what is `unknown`.

    Raises:
        UsageError: there is no such question, or no such answer to it.
    """
    known = {asked.name: asked for asked in QUESTIONS}
    values: dict[str, object] = {}
    for name, answer in said.items():
        asked = known.get(name)
        if asked is None:
            raise UsageError(f"{name} is no question", hint=f"one of {', '.join(known)}")
        values[name] = _read(asked, answer.strip())
    return values


def keep(home: Home, task: Task, said: Mapping[str, object], *, by: str) -> None:
    """Keep answers in the home's `answers.toml`, and note in the audit log that they were given.

    A declaration in `freehold.toml` or the environment stays where it is, and holds above them.

    Raises:
        UsageError: a value is not one that its setting may have; nothing was kept.
    """
    settings_module.answer(home.path, _key(home, task), said)
    environ = {**os.environ, settings_module.HOME_VARIABLE: str(home.path)}
    with Home(settings_module.load(environ)) as reloaded:
        for name, value in said.items():
            reloaded.registry.record(by, "task.answered", task.id, question=name, answer=_noted(value))
        reloaded.registry.publish()


def _read(asked: Question, said: str) -> object:
    if said.lower() == NOT_KNOWN:
        return None
    try:
        value = asked.read(said)
        msgspec.convert({asked.name: value}, TaskSettings)
    except (KeyError, ValueError, msgspec.ValidationError):
        raise UsageError(f"{said!r} is no answer to {asked.name}", hint=f"{asked.answers}, or {NOT_KNOWN}") from None
    return value


def _noted(value: object) -> str:
    return NOT_KNOWN if value is None else text(value)


def _key(home: Home, task: Task) -> str:
    """The name under which the task is declared already, else its own: two tables would shadow one another."""
    names = _declared_names(home, task)
    return names[0] if names else task.name


def _declared_names(home: Home, task: Task) -> list[str]:
    """The names in `[tasks.NAME]` that mean this task."""
    aliases = {folded(name) for name, task_id in home.registry.known_as().items() if task_id == task.id}
    return [name for name in home.settings.tasks if folded(name) in aliases]


def _origins(home: Home, task: Task) -> dict[str, str]:
    """Where each answer was said: about the task, else about all."""
    origin = home.loaded.origin
    found: dict[str, str] = {}
    for name in ("data_class", *Strategy.__struct_fields__):
        keys = [f"tasks.{one}.{name}" for one in _declared_names(home, task)] + [f"strategy.{name}"]
        where = next((origin[key] for key in keys if key in origin), "")
        if where:
            found[name] = where
    return found
