"""Closed label sets: as the prompt lists them, else as the answers support them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from freehold.vocabulary import Template

_LISTED_MASS = 0.6
_LISTED_LABELS = 0.5
_BULLET = re.compile(r"^\s*(?:[-*\u2022\u2013]|\d+[.):])\s+")
_QUOTES = "\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb\u300c\u300d"
_SEPARATORS = re.compile(r"[,;|/\u3001\uff0c\uff1b]|\s(?:or|and|oder|und|ou|et|o|y|e|of|en)\s")
_SUPPORT = 0.001
_OFTEN = 0.02
_SENTENCE_END = re.compile(r"[.?!;\u3002\uff01\uff1f]")
_NEXT_SENTENCE = re.compile(r"(?<=[.?!])\s+|(?<=[\u3002\uff01\uff1f])")
_USUAL_MASS = 0.85


def enumerated(counts: Counter[str], templates: Sequence[Template]) -> tuple[str, ...]:
    """The labels as a prompt lists them, one a line or in a row, those never given so far included; () where none does.

    A list counts when it holds most of the answers and when answers hold about half of it. Of two that hold as much,
    the one with fewer items that run on into another sentence is it. An answer that is given often belongs to the
    labels even where the list, as it was read, lacks it: how a sentence lists its items cannot be read with certainty,
    and a label lost is a class lost.
    """
    best: tuple[int, int, int, int, tuple[str, ...]] = (0, 0, 0, 0, ())
    total = sum(counts.values())
    longest = _usual_words(counts)
    literals = {p for t in templates for m in t.messages for p in m.pieces if isinstance(p, str)}
    for items in (_trimmed(listed, counts, longest) for piece in sorted(literals) for listed in _lists(piece)):
        distinct = set(items)
        mass = sum(counts[item] for item in distinct)
        seen = sum(item in counts for item in distinct)
        if mass >= _LISTED_MASS * total and seen >= _LISTED_LABELS * len(distinct):
            running_on = sum(item not in counts and _NEXT_SENTENCE.search(item) is not None for item in distinct)
            found = (mass, -running_on, len(distinct), -sum(map(len, distinct)), tuple(sorted(distinct)))
            best = max(best, found)
    if not best[-1]:
        return ()
    often = {label for label, count in counts.items() if count >= _OFTEN * total}
    return tuple(sorted(often.union(best[-1])))


def _usual_words(counts: Counter[str]) -> int:
    """How many words nearly all answers stay within."""
    left = _USUAL_MASS * sum(counts.values())
    by_words: Counter[int] = Counter()
    for label, count in counts.items():
        by_words[len(label.split())] += count
    for size in sorted(by_words):
        left -= by_words[size]
        if left <= 0:
            return size
    return 0


def _trimmed(items: list[str], counts: Counter[str], longest: int) -> list[str]:
    """Without what stands above and below a list and is no item: headings and sentences, never given as answers."""

    def foreign(item: str) -> bool:
        return item not in counts and (item.endswith((":", "\uff1a", "?", "!")) or len(item.split()) > longest)

    start, end = 0, len(items)
    while start < end and foreign(items[start]):
        start += 1
    while end > start and foreign(items[end - 1]):
        end -= 1
    return items[start:end]


def supported(counts: Counter[str]) -> tuple[str, ...]:
    """The labels that enough answers support: two at least, and one in a thousand."""
    least = max(2.0, _SUPPORT * sum(counts.values()))
    return tuple(sorted(label for label, count in counts.items() if count >= least))


def _lists(text: str) -> list[list[str]]:
    """Candidate lists in a text: runs of lines that could be items, and rows of separated items."""
    found: list[list[str]] = []
    run: list[str] = []
    for line in [*text.split("\n"), ""]:
        item = _item(line)
        if item and len(item) <= 100:
            run.append(item)
            continue
        found += _runs(run)
        run = []
    for line in text.split("\n"):
        for said in (line, *_NEXT_SENTENCE.split(line)):
            found += _rows([_item(part) for part in _SEPARATORS.split(said)])
    return found


def _runs(run: list[str]) -> list[list[str]]:
    """A run of lines; where lines say "label: what it means", also what stands before the colons."""
    if len(run) < 2:
        return []
    captioned = [[item.split(":", 1)[0].strip() for item in run]] if sum(":" in item for item in run) > 1 else []
    return [run, *captioned]


def _rows(row: list[str]) -> list[list[str]]:
    """A row of items; the first may end a sentence, the last may begin one."""
    if len(row) < 2:
        return []
    first = [row[0], row[0].rsplit(":", 1)[-1].strip(), row[0].rsplit(" ", 1)[-1]]
    last = [row[-1], _SENTENCE_END.split(row[-1], maxsplit=1)[0].strip(), row[-1].split(" ", 1)[0]]
    ends = [[_item(a), *row[1:-1], _item(b)] for a in first for b in last]
    return [[item for item in items if item] for items in ends]


def _item(text: str) -> str:
    return _BULLET.sub("", text).strip().strip(_QUOTES + ".(){}[]").strip() if text.strip() else ""
