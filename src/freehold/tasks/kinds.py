"""What kind of task it is, told from its answers and from what they have to do with the inputs.

    classification       short answers from a closed set
    extraction           JSON whose strings are copied from the input
    structured           other JSON: closed values, derived values, a mixture
    tool_choice          the model may call tools, and does
    question_answering   a passage and a question, or short answers copied from a long input
    code                 answers are program text
    free_text            everything else
    unknown              too few answers to say

It looks at answers alone, never at what a prompt says it wants.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, cast

from freehold.vocabulary import TaskKind

from ._answers import Answers, Parsed, leaves, parse

_FEWEST = 5
_COPIED = 0.7
_USUAL = 0.05
_CODE = re.compile(
    r"^```\w+\s|^\s*(?:def |class |import |from \w+ import|#include|package |func |fn |public |SELECT |CREATE TABLE"
    r"|const |let |var )",
    re.MULTILINE,
)
_LONG_INPUT = 300
_QUESTION_MARKS = ("?", "\uff1f", "\u061f")


def kind_of(answers: Sequence[str], inputs: Sequence[Sequence[str]], *, tools: bool = False) -> TaskKind:
    """Tell a task's kind.

    Args:
        answers: canonical answers (`wire.canonical`).
        inputs: for each answer, the texts of the call's input slots.
        tools: whether the calls offer tools.
    """
    if len(answers) < _FEWEST:
        return "unknown"
    parsed = [parse(answer) for answer in answers]
    summed = Answers(parsed)
    if summed.share("tools") > (0.0 if tools else 0.5):
        return "tool_choice"
    if summed.share("json") > 0.5:
        return "extraction" if _mostly_copied(parsed, inputs) else "structured"
    if summed.closed:
        return "classification"
    if sum(bool(_CODE.search(answer)) for answer in answers) > 0.5 * len(answers):
        return "code"
    return "question_answering" if _asks(answers, inputs) else "free_text"


def _mostly_copied(parsed: Sequence[Parsed], inputs: Sequence[Sequence[str]]) -> bool:
    """Whether every usual field of the answers holds strings copied from the inputs."""
    held: defaultdict[str, list[bool]] = defaultdict(list)
    for one, texts in zip(parsed, inputs, strict=True):
        whole = "\n".join(texts).casefold()
        fields = cast("dict[str, Any]", one.value) if isinstance(one.value, dict) else {"": one.value}
        for key, value in fields.items() if one.form == "json" else ():
            held[key] += [leaf in whole for leaf in leaves(value)]
    usual = [found for found in held.values() if len(found) >= _USUAL * len(parsed)]
    copied = sum(map(sum, usual))
    return copied > 0 and copied >= _COPIED * sum(map(len, usual)) and all(sum(f) >= 0.4 * len(f) for f in usual)


def _asks(answers: Sequence[str], inputs: Sequence[Sequence[str]]) -> bool:
    n = len(answers)
    copied = sum(
        sum(map(len, texts)) >= _LONG_INPUT and answer.strip().casefold() in "\n".join(texts).casefold()
        for answer, texts in zip(answers, inputs, strict=True)
    )
    asked = sum(
        len(texts) > 1
        and any(text.rstrip().endswith(_QUESTION_MARKS) for text in texts)
        and max(map(len, texts)) >= _LONG_INPUT
        for texts in inputs
    )
    return copied >= 0.3 * n or asked >= 0.6 * n
