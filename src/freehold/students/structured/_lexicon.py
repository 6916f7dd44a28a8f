"""What training said of words and phrases: how often each was copied, and into what.

A training row is read as if it had not been counted (leave one out): otherwise every value would be in the lexicon
while the tagger learns, and none of the new ones when it serves.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from ._assembly import Span
from ._document import Document

OUTSIDE = -1
"""The label of words that were not copied."""
MAX_PHRASE = 8
"""Longer values are not looked up as phrases."""
MAX_WORDS = 60_000

Counts = dict[int, int]


class Lexicon(msgspec.Struct):
    """Rows in which a word stood under a label, by word; values seen, by phrase of lower-cased tokens."""

    words: dict[str, Counts]
    phrases: dict[str, Counts]
    longest: int


class Hints(msgspec.Struct):
    """What the lexicon says of each token of a document. `seen`: rows that held the word, others' alone."""

    seen: list[int]
    words: list[list[str]]
    phrases: list[list[str]]


def count(rows: Iterable[tuple[Document, Sequence[Span]]]) -> Lexicon:
    """Build a lexicon. Words seen once are kept: they tell a rare word from an unknown one."""
    words: dict[str, Counter[int]] = defaultdict(Counter)
    phrases: dict[str, Counter[int]] = defaultdict(Counter)
    longest = 1
    for doc, spans in rows:
        for word, label in _word_labels(doc, spans):
            words[word][label] += 1
        for phrase, label in _phrases(doc, spans):
            phrases[phrase][label] += 1
        longest = max([longest, *(min(MAX_PHRASE, span.last - span.first + 1) for span in spans)])
    common = sorted(words, key=lambda word: (-words[word].total(), word))[:MAX_WORDS]
    return Lexicon(
        {word: dict(sorted(words[word].items())) for word in sorted(common)},
        {phrase: dict(sorted(phrases[phrase].items())) for phrase in sorted(phrases)},
        longest,
    )


def hints(doc: Document, lexicon: Lexicon, own: Sequence[Span] | None) -> Hints:
    """Read a document; with `own` spans, as if they had not been counted."""
    mine = Counter(_word_labels(doc, own)) if own is not None else Counter[tuple[str, int]]()
    seen: list[int] = []
    words: list[list[str]] = []
    for word in doc.lower:
        counts = lexicon.words.get(word)
        left = {k: n - mine[word, k] for k, n in counts.items()} if counts else {}
        total = sum(left.values())
        seen.append(total)
        words.append([_strength(k, n, total) for k, n in left.items() if n > 0])
    return Hints(seen, words, _phrase_hints(doc, lexicon, own))


def _strength(label: int, n: int, total: int) -> str:
    share = "+" if n >= 0.8 * total else "" if n >= 0.2 * total else "-"
    return f"{label}{share}{min(2, int(math.log10(total) + 0.5))}"


def _phrase_hints(doc: Document, lexicon: Lexicon, own: Sequence[Span] | None) -> list[list[str]]:
    mine = Counter(_phrases(doc, own)) if own is not None else Counter[tuple[str, int]]()
    out: list[list[str]] = [[] for _ in doc.lower]
    for first in range(len(doc.lower)):
        for last in range(first, min(len(doc.lower), first + lexicon.longest)):
            phrase = " ".join(doc.lower[first : last + 1])
            for label, n in lexicon.phrases.get(phrase, {}).items():
                if n <= mine[phrase, label]:
                    continue
                out[first].append(f"g{label}{'S' if first == last else 'M'}B")
                for i in range(first + 1, last):
                    out[i].append(f"g{label}I")
                if last > first:
                    out[last].append(f"g{label}E")
    return out


def _word_labels(doc: Document, spans: Sequence[Span]) -> set[tuple[str, int]]:
    labels = [OUTSIDE] * len(doc.lower)
    for span in spans:
        labels[span.first : span.last + 1] = [span.label] * (span.last - span.first + 1)
    return set(zip(doc.lower, labels, strict=True))


def _phrases(doc: Document, spans: Sequence[Span]) -> list[tuple[str, int]]:
    short = [span for span in spans if span.last - span.first < MAX_PHRASE]
    return [(" ".join(doc.lower[span.first : span.last + 1]), span.label) for span in short]
