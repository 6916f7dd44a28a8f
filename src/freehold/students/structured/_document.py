"""An input as the taggers see it: tokens of all slots in one row, and the context beside them."""

from __future__ import annotations

import msgspec

from ._tokens import shape, tokenise

MAX_TOKENS = 4_000
"""What lies beyond is not read: such an input gets confidence 0."""
MAX_HEADING = 40
_MAX_CONTEXT_WORDS = 12


class Document(msgspec.Struct):
    """A tokenised input. Parallel lists: `places` (slot, start, end), `words`, `lower`, `shapes`, `lines`.

    `lines` holds the index of the line a token stands in; `names` the heading of each line, prefixed by its slot.
    `context` are the lines that only inform, as (name, text). `grams` is for closed heads: the words of everything.
    """

    inputs: tuple[str, ...]
    places: list[tuple[int, int, int]]
    words: list[str]
    lower: list[str]
    shapes: list[str]
    lines: list[int]
    names: list[str]
    context: list[tuple[str, str]]
    context_words: list[tuple[str, list[str]]]
    cut: bool = False


def heading(line: str, headings: frozenset[str]) -> str:
    """The known heading that a line begins with, or ""."""
    head, colon, _ = line[: MAX_HEADING + 1].partition(":")
    return head.strip() if colon and head.strip() in headings else ""


def lines_of(inputs: tuple[str, ...], headings: frozenset[str]) -> list[tuple[str, int, int, int]]:
    """(name, slot, start, end) of every line that holds something; the heading itself is left out of the range."""
    out: list[tuple[str, int, int, int]] = []
    for slot, text in enumerate(inputs):
        start = 0
        for line in text.splitlines(keepends=True):
            if line.strip():
                head = heading(line, headings)
                begin = start + (line.index(":") + 1 if head else 0)
                out.append((f"{slot}:{head}", slot, begin, start + len(line)))
            start += len(line)
    return out


def document(inputs: tuple[str, ...], level: int, headings: frozenset[str], context: frozenset[str]) -> Document:
    """Tokenise an input."""
    doc = Document(inputs, [], [], [], [], [], [], [], [])
    for name, slot, start, end in lines_of(inputs, headings):
        text = inputs[slot][start:end]
        if name in context:
            tokens = [text[a:b].lower() for a, b in tokenise(text[:1_000], level)]
            doc.context.append((name, " ".join(tokens[:_MAX_CONTEXT_WORDS])))
            doc.context_words.append((name, tokens[:_MAX_CONTEXT_WORDS]))
            continue
        number = len(doc.names)
        doc.names.append(name)
        for a, b in tokenise(text, level):
            if len(doc.words) == MAX_TOKENS:
                doc.cut = True
                return doc
            word = text[a:b]
            doc.places.append((slot, start + a, start + b))
            doc.words.append(word)
            doc.lower.append(word.lower())
            doc.shapes.append(shape(word))
            doc.lines.append(number)
    return doc
