"""The words that the scripted provider says, whatever the dialect; programs know the same words."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

HELLO = "Grüße, 日本 🙂"
TOOLS_ANSWER = "7 degrees in Paris, 12 in Rome."
TOOL_CALLS: tuple[tuple[str, dict[str, Any]], ...] = (("weather", {"city": "Paris"}), ("weather", {"city": "Rome"}))
THOUGHT, SEAL = "Hm. Well.", "c2VhbGVk"
"""What was thought before an answer, and the seal that clients give back with it."""
WEATHER = {"city": "Rome", "degrees": 12}
IMAGE_ANSWER = "image/png 70"
UNKNOWN = {"deep": [1, {"deeper": None}]}
"""What stands in a field of an answer that no client's types know."""


@dataclass(frozen=True)
class Said:
    """An answer before it is put into a dialect: a text, or calls of tools."""

    text: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    thought: str = ""
    logprobs: bool = False
    unknown: bool = False


def pieces(text: str) -> list[str]:
    """The text in three pieces at most, none of them empty."""
    edges = sorted({0, len(text) // 3, 2 * len(text) // 3, len(text)})
    return [text[a:b] for a, b in pairwise(edges)]
