"""What is known of models by their names, and the one number that a translation has to make up.

Sources: Anthropic's model and API-version pages and the botocore service model, read in November 2026. A name that is
not known here counts as the newest of its family.
"""

from __future__ import annotations

import re

DEFAULT_MAX_TOKENS = 16_384
"""Tokens of output where the client set no limit and the provider's format requires one (Anthropic's).

Every Claude model that is still served gives as much, and it is what Anthropic's own SDK waits for without streaming.
"""

_CLAUDE = re.compile(r"claude[-.](?:(?P<before>\d)|(?P<family>[a-z]+)-(?P<major>\d+)(?:-(?P<minor>\d)(?!\d))?)")
_UNKNOWN = (99, 0)
_MISTRAL = re.compile(r"(?:labs-|open-)?(?:mistral|ministral|mixtral|codestral|devstral|magistral|pixtral)-[a-z0-9.-]+")
_OLD_OPENAI = re.compile(r"(?:^|[/.])(?:gpt-[34]|chatgpt-4)")
_NEW_OPENAI = re.compile(r"(?:^|[/.])(?:o\d|gpt-(?:[5-9]|\d\d)|chatgpt-[5-9])")


def is_claude(model: str) -> bool:
    """Whether the name is that of a Claude model, on any platform."""
    return "claude" in model


def takes_sampling(model: str) -> bool:
    """Whether temperature, top_p and top_k are accepted. Claude from Opus 4.7 on answers them with 400."""
    return not is_claude(model) or _version(model) < (4, 7)


def takes_effort(model: str) -> bool:
    """Whether `output_config.effort` is accepted: by Claude from Opus 4.5 and Sonnet 4.6 on, by Haiku from 5 on."""
    if not is_claude(model):
        return False
    first = {"opus": (4, 5), "sonnet": (4, 6)}.get(_family(model), (5, 0))
    return _version(model) >= first


def takes_system_turns(model: str) -> bool:
    """Whether instructions may stand between the turns: in Claude from Opus 4.8 and the fifth generation on."""
    return is_claude(model) and (4, 8) <= _version(model) < _UNKNOWN


def wants_max_completion_tokens(model: str) -> bool:
    """Whether the output limit is called `max_completion_tokens`: OpenAI's reasoning models know no other name.

    Most OpenAI-compatible servers know only `max_tokens`. Deployments on Azure carry names of their own, for which
    `max_tokens` is sent and may be answered with 400.
    """
    return _NEW_OPENAI.search(model) is not None


def takes_reasoning_effort(model: str) -> bool:
    """Whether `reasoning_effort` is accepted: OpenAI's models that do not reason answer it with 400."""
    return _OLD_OPENAI.search(model) is None


def is_mistral(model: str) -> bool:
    """Whether the name is one of Mistral's own service, which refuses every field that it does not know.

    It states usage in streams unasked. The same models on other servers carry other names (`mistralai/Mistral-…`).
    """
    return _MISTRAL.fullmatch(model) is not None


def _family(model: str) -> str:
    found = _CLAUDE.search(model)
    return (found["family"] or "") if found else ""


def _version(model: str) -> tuple[int, int]:
    """`claude-opus-4-7-…` is (4, 7), `claude-3-5-sonnet` is (3, 0); `_UNKNOWN` where the name tells none."""
    found = _CLAUDE.search(model)
    if found is None:
        return _UNKNOWN
    if found["before"]:
        return (int(found["before"]), 0)
    return (int(found["major"]), int(found["minor"] or 0))
