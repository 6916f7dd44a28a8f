"""Names a person recognises: from the schema, the prompt's own words, the tools or the labels. No model is asked."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import msgspec

from freehold.vocabulary import Task, TaskKind, Template

from ._answers import Answers, Parsed
from ._request import tool_names

_STOP_WORDS = """
a an the and or of to in on at by for from with without as is are be been was were will would can could should must
may might do does not no only any all each every one ones exactly nothing else this that these those it its he she
they them their his her our your you we i me my us who what which when where how why if then than into out up about
over under between please helpful assistant system user input output answer answers return respond response reply
following given below above always never today now using use make sure just more most such there here also have has
had get got know date time current der die das und oder von zu im den dem des ein eine einer eines einem einen ist
sind du sie er es wir ihr ihre dein deine mit ohne auf aus für bei als auch nur nicht kein keine antworte gib bitte
folgenden folgende le la les un une de et ou à au aux en pour par sur avec sans est sont vous tu nous votre ton
réponds el los las una unos unas y o del al con sin por para son usted tú su sus responde il lo gli uno di da per
tra fra che e è sono sei
"""
_STOP = frozenset(_STOP_WORDS.split())
_GENERIC_SCHEMA = frozenset(
    ["response", "output", "answer", "result", "results", "schema", "json", "object", "data", "format", "json_object"]
)
_HAN_RUN = re.compile(r"[\u4e00-\u9fff\u30a0-\u30ff\uac00-\ud7af\u3400-\u4dbf]{2,}")
_MOST_WORDS = 3
_LOOKED_AT = 60


def name_task(
    templates: Sequence[Template], answers: Sequence[Parsed], kind: TaskKind, common: frozenset[str] = frozenset()
) -> str:
    """A snake_case name in the prompt's own language.

    Args:
        templates: the task's templates, the most used first.
        answers: a sample of its answers.
        kind: its kind; the last resort.
        common: words that other tasks' prompts hold too, and so tell nothing.
    """
    schema = snake(templates[0].schema.partition("#")[0])
    if schema and schema not in _GENERIC_SCHEMA:
        return schema
    return _from_prompt(templates[0], common) or _from_tools(templates[0]) or _from_answers(answers) or kind


def prompt_words(template: Template) -> set[str]:
    """All words of a template's constant text, in lower case."""
    return {w for pattern in template.messages for p in pattern.pieces if isinstance(p, str) for w in _words(p)}


def unique_names(tasks: Sequence[Task], numbered: str = "{}_{}") -> list[Task]:
    """The same tasks with no name twice: later ones get a number, put as in `numbered`; names given by persons stay."""
    used = {task.name for task in tasks if task.named_by == "person"}
    found: list[Task] = []
    for task in tasks:
        name, n = task.name, 1
        while task.named_by != "person" and name in used:
            n += 1
            name = numbered.format(task.name, n)
        used.add(name)
        found.append(task if name == task.name else msgspec.structs.replace(task, name=name))
    return found


def snake(text: str) -> str:
    """Any text as a snake_case name: letters and digits of every script, other runs as one underscore."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", unicodedata.normalize("NFKC", text))
    return re.sub(r"[^\w]+|_+", "_", spaced).strip("_").lower()[:60]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


def _from_prompt(template: Template, common: frozenset[str]) -> str:
    """The first telling words of the first constant text that has any; for unspaced scripts its first runs of signs."""
    literals = [p for m in template.messages for p in m.pieces if isinstance(p, str)]
    chosen: list[str] = []
    for literal in literals:
        unspaced = _HAN_RUN.findall(literal)
        if unspaced and sum(map(len, unspaced)) >= 0.2 * len(literal):
            chosen += [run[:8] for run in unspaced if run not in common][: 2 - len(chosen)]
        else:
            telling = [w for w in _words(literal)[:_LOOKED_AT] if len(w) > 2 and w not in _STOP and w not in common]
            chosen += [w for w in dict.fromkeys(telling) if w not in chosen][: _MOST_WORDS - len(chosen)]
        if len(chosen) >= _MOST_WORDS or (unspaced and len(chosen) >= 2):
            break
    return snake("_".join(chosen))


def _from_tools(template: Template) -> str:
    names = sorted(tool_names(template.tools))
    parts = Counter(part for name in names for part in snake(name).split("_") if part not in _STOP)
    return "_".join(word for word, _ in parts.most_common(2))


def _from_answers(answers: Sequence[Parsed]) -> str:
    summed = Answers(answers)
    if summed.closed:
        return snake("_or_".join(label for label, _ in sorted(summed.short.most_common(2))))
    return snake("_".join(sorted(key for key, _ in summed.keys.most_common(_MOST_WORDS))))
