"""Answers as evidence of what a task is: their form, and whether two sets of answers could come from one task."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any, Literal, cast

import msgspec

from ._text import words

Form = Literal["tools", "json", "short", "text"]

_decoder = msgspec.json.Decoder()
SHORT_CHARS = 64
_RECURRING = 0.6
_CLOSED = 0.8
_LENGTH_RATIO = 6.0
_READ = 300
_FEW_TEXTS = 5
_MANY_TEXTS = 20
_SAME_WORDING = 0.93
_ALIKE_WORDING = 0.45


class Parsed(msgspec.Struct, frozen=True):
    """One answer, looked at once. `keys`: top-level keys of a JSON object, or names of the tools called."""

    text: str
    form: Form
    keys: frozenset[str] = frozenset()
    value: Any = None


def parse(text: str) -> Parsed:
    """Look at a canonical answer. JSON inside a fence of three backticks counts as JSON."""
    body = unfenced(text)
    if body[:1] in "{[":
        try:
            value = _decoder.decode(body)
        except (msgspec.DecodeError, RecursionError):
            value = None
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            calls = fields.get("tool_calls")
            if len(fields) == 1 and isinstance(calls, list):
                names = [c.get("name", "") for c in cast("list[Any]", calls) if isinstance(c, dict)]
                return Parsed(text, "tools", frozenset(map(str, names)), fields)
            return Parsed(text, "json", frozenset(fields), fields)
        if isinstance(value, list):
            return Parsed(text, "json", frozenset(("[]",)), value)
    form: Form = "short" if len(text) <= SHORT_CHARS and "\n" not in text.strip() else "text"
    return Parsed(text, form)


def unfenced(text: str) -> str:
    """The text without blanks around it and without a Markdown code fence around the whole."""
    body = text.strip()
    if body.startswith("```") and body.endswith("```") and "\n" in body:
        return body[body.index("\n") + 1 : -3].strip()
    return body


def leaves(value: Any) -> list[str]:
    """All strings and numbers in a JSON value, as lower-case text."""
    if isinstance(value, dict):
        return [leaf for item in cast("dict[str, Any]", value).values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in cast("list[Any]", value) for leaf in leaves(item)]
    if isinstance(value, str):
        return [value.strip().casefold()]
    return [str(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


class Answers:
    """A set of answers, summed up: forms, keys, recurring short answers, lengths."""

    def __init__(self, parsed: Sequence[Parsed]) -> None:
        self.n = len(parsed)
        self.forms = Counter(one.form for one in parsed)
        self.keys = Counter(key for one in parsed if one.form == "json" for key in one.keys)
        short = [one.text.strip() for one in parsed if one.form == "short"]
        self.short = Counter(short)
        recurring = sum(count for count in self.short.values() if count > 1)
        self.recurring = recurring / len(short) if short else 0.0
        lengths = [len(one.text) for one in parsed if one.form in ("short", "text")]
        prose = [set(words(one.text)) for one in parsed if one.form in ("short", "text")][:_READ]
        self._halves = [Counter(word for found in prose[start::2] for word in found) for start in (0, 1)]
        self.words = self._halves[0] + self._halves[1]
        self.median_chars = median(lengths) if lengths else 0.0

    def share(self, form: Form) -> float:
        """Share of the answers that have this form."""
        return self.forms[form] / self.n if self.n else 0.0

    @property
    def closed(self) -> bool:
        """Whether most answers are short ones that come again, few enough to be labels."""
        few = len([1 for count in self.short.values() if count > 1]) <= max(2, self.n // 4)
        return self.share("short") >= _RECURRING and self.recurring >= _CLOSED and few

    def gives(self, other: Answers) -> float:
        """Share of the other answers that are labels given here, or JSON objects with keys that are."""
        labels = sum(count for text, count in other.short.items() if self.short[text] > 1)
        keys = other.keys.total()
        known = sum(count for key, count in other.keys.items() if self.keys[key] > 1) / keys if keys else 0.0
        return (labels + other.forms["json"] * known) / other.n if other.n else 0.0

    def explains(self, other: Answers) -> float:
        """Share of the other answers that could have come from the task these came from."""
        if not other.n or not self.n:
            return 1.0
        found = 0.0
        if self.share("tools") > 0.05:
            found += other.share("tools")
        if self.share("json") > 0.05:
            total = sum(other.keys.values())
            known = sum(c for key, c in other.keys.items() if self.keys[key] > 0.01 * self.forms["json"])
            found += other.share("json") * (known / total if total else 1.0)
        found += self._explains_prose(other)
        return found

    def _explains_prose(self, other: Answers) -> float:
        ours = self.share("short") + self.share("text")
        prose = other.share("short") + other.share("text")
        if ours < 0.05 or not prose:
            return 0.0
        if self.forms["short"] >= 0.5 * (self.n * ours) and self.recurring >= _RECURRING:
            total = max(1, other.forms["short"])
            return other.share("short") * sum(c for text, c in other.short.items() if text in self.short) / total
        ratio = max(self.median_chars, other.median_chars, 1.0) / max(1.0, min(self.median_chars, other.median_chars))
        if ratio > _LENGTH_RATIO:
            return 0.3 * prose
        wording = min(1.0, self.wording(other) / _ALIKE_WORDING)
        return other.share("short") + other.share("text") * wording

    def wording(self, other: Answers) -> float:
        """How alike the words of texts are that both give: cosine of the numbers of texts that hold each word."""
        if self.forms["text"] < _FEW_TEXTS or other.forms["text"] < _FEW_TEXTS:
            return 1.0
        return _cosine(self.words, other.words)

    def same_wording(self, other: Answers) -> bool:
        """Whether both give texts with the same words equally often, as two different tasks hardly would.

        They differ no more than each one's own halves do, which differ by chance.
        """
        if min(self.n, other.n) < _MANY_TEXTS or self.closed or other.closed:
            return False
        across = [_cosine(a, b) for a in self._halves for b in other._halves]
        chance = math.sqrt(_cosine(*self._halves) * _cosine(*other._halves))
        return chance > 0 and sum(across) / 4 >= _SAME_WORDING * chance


def _cosine(a: Counter[str], b: Counter[str]) -> float:
    length = math.sqrt(sum(c * c for c in a.values()) * sum(c * c for c in b.values()))
    return sum(count * b[word] for word, count in a.items()) / length if length else 0.0


def alike(a: Answers, b: Answers) -> bool:
    """Whether both sets could come from one task: most of the smaller one is explained by the larger."""
    small, large = (a, b) if a.n <= b.n else (b, a)
    return large.explains(small) >= 0.5
