"""A task in words: why its calls belong together, from what it is known by and how many calls there are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from freehold.vocabulary import Task, Template

from ._request import tool_names
from .naming import snake


def why(task: Task, n: int, exact: float) -> str:
    """What the calls of a task have in common.

    Args:
        task: the task; its templates, tools and schema are looked at.
        n: its calls.
        exact: the share of them that fit a template.
    """
    if task.stated:
        return (
            f"{n:,} calls without bodies, grouped by their log's word alone ({task.stated}); nobody sees what is asked."
        )
    if any(template.profile is not None for template in task.templates):
        sure = f"{100 * exact:.1f} % of them for certain"
        return f"{n:,} calls without a prompt read alike and get answers of one form; {sure}."
    literal = max((constant_chars(template) for template in task.templates), default=0)
    most = "" if len(task.templates) == 1 else "up to "
    said = [f"{n:,} calls share {most}{literal:,} characters of constant prompt"]
    tools = {template.tools for template in task.templates if template.tools}
    if tools:
        said.append(f"the same {len(tool_names(min(tools)))} tools")
    if any(template.schema for template in task.templates):
        said.append("the same response schema")
    versions = len(task.templates)
    fit = "fit it" if versions == 1 else "fit one"
    plural = "" if versions == 1 else "s"
    fits = f"{versions} version{plural} of the prompt, {100 * exact:.1f} % of the calls {fit} exactly"
    return f"{', '.join(said)}; {fits}."


def constant_chars(template: Template) -> int:
    """Characters that every call of a template holds."""
    return sum(len(piece) for pattern in template.messages for piece in pattern.pieces if isinstance(piece, str))


def tools_of(template: Template) -> frozenset[str]:
    """The names of the tools that every call of a template offers."""
    return tool_names(template.tools)


def counted(task: Task, n: int, by_template: Mapping[str, int]) -> Task:
    """The task with its calls counted anew: in all, and by template; what it says of itself follows."""
    templates = tuple(
        sorted(
            (msgspec.structs.replace(one, n_calls=by_template.get(one.id, 0)) for one in task.templates),
            key=lambda one: (-one.n_calls, one.id),
        )
    )
    exact = sum(one.n_calls for one in templates) / n if n else 0.0
    changed = msgspec.structs.replace(task, templates=templates, n_calls=n, confidence=round(exact, 4))
    return msgspec.structs.replace(changed, why=why(changed, n, exact))


def stated_task(group: str, n: int) -> Task:
    """The task that stands for a group of calls without bodies (`stated.said`)."""
    word, _, rest = group.partition(" ")
    name = snake(rest if word in ("prompt", "feature") else rest.partition(" at ")[0])
    task = Task(
        id=f"t{hashlib.sha256(group.encode()).hexdigest()[:12]}",
        name=name or "without_bodies",
        kind="unknown",
        templates=(),
        n_calls=n,
        confidence=0.0,
        why="",
        stated=group,
    )
    return msgspec.structs.replace(task, why=why(task, n, 0.0))
