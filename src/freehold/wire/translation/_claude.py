"""What Anthropic's models are asked in the same words wherever they run: by Anthropic itself or on Bedrock."""

from __future__ import annotations

from typing import Any

from ._facts import is_claude, takes_sampling
from ._hub import Request

_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}


def sampling(request: Request) -> dict[str, Any]:
    """`temperature`, `top_p` and `top_k`, where the model takes them; reported where it does not.

    For Claude, what is the default on both sides (1 for the first two) is left out: newer models refuse even that,
    others refuse the two together.

    Raises:
        BadRequest: the temperature is above 1, where the model's range ends.
    """
    if request.temperature is not None and request.temperature > 1:
        request.refuse("temperature", "the model's range ends at 1")
    values = {"temperature": request.temperature, "top_p": request.top_p, "top_k": request.top_k}
    given = {name: value for name, value in values.items() if value is not None}
    if is_claude(request.model):
        given = {name: value for name, value in given.items() if name == "top_k" or value != 1}
    if takes_sampling(request.model):
        return given
    for name in given:
        request.report(request.named(name))
    return {}


def effort(request: Request) -> str | None:
    """How much effort is asked, in Anthropic's words; reported where it has no such word or the model takes none."""
    word = _EFFORTS.get(request.effort or "")
    if word is None or word != request.effort:
        request.lose("effort")
    return word


def tool_choice(request: Request) -> dict[str, Any]:
    """Which tools to use, in Anthropic's words. Not for `none`, which knows no parallel use."""
    choice = request.choice
    if choice is not None and choice.mode == "named":
        wanted: dict[str, Any] = {"type": "tool", "name": choice.name}
    else:
        wanted = {"type": "any" if choice is not None and choice.mode == "required" else "auto"}
    if request.parallel is False:
        wanted["disable_parallel_tool_use"] = True
    return wanted
