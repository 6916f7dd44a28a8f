"""What kind of task it is, told from its answers and inputs."""

from __future__ import annotations

from collections.abc import Sequence

from freehold.vocabulary import TaskKind

from ._answers import Answers, parse


def kind_of(answers: Sequence[str], inputs: Sequence[Sequence[str]], *, tools: bool = False) -> TaskKind:
    """Tell the kind."""
    parsed = [parse(a) for a in answers]
    summed = Answers(parsed)
    if summed.closed:
        return "classification"
    if tools:
        return "tool_choice"
    if summed.share("json") > 0.5:
        return "structured"
    return "free_text"
