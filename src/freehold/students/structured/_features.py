"""What the tagger sees of each token. Generic: words, shapes, affixes, neighbours, the lexicon's hints, the context."""

from __future__ import annotations

from ._document import Document
from ._lexicon import Hints

_KNOWN_AT = 2
"""A word seen in fewer other rows shows its shape to its neighbours in place of itself."""
_SHORT = 4
_FAR = 8
"""How far from a token words still count, whatever their place: what else is said decides what a number is."""
_EDGE = "<>"
_PAD = 5
"""Words to either side that count each in its place."""


def features(doc: Document, hints: Hints) -> list[list[str]]:
    """Feature strings, token by token."""
    n = len(doc.words)
    known = [w if s >= _KNOWN_AT else f"<{x}>" for w, s, x in zip(doc.lower, hints.seen, doc.shapes, strict=True)]
    pad = [_EDGE] * _PAD
    k, s = pad + known + pad, pad + doc.shapes + pad
    context = _context(doc)
    named = len(set(doc.names)) > 1
    out: list[list[str]] = []
    for i, word in enumerate(doc.lower):
        row = _word(doc.words[i], word, doc.shapes[i], hints.seen[i])
        row += _window(k, s, i + _PAD)
        row += _around(known, i)
        row += [f"@{min(i, 4)}", f"${min(n - 1 - i, 3)}"]
        if n <= _SHORT:
            row.append(f"n{n}")
        row += _line(doc, i, named=named)
        row += [f"l0:{hint}" for hint in hints.words[i]] + hints.phrases[i]
        if i:
            row += [f"l-:{hint}" for hint in hints.words[i - 1]] + [f"<{hint}" for hint in hints.phrases[i - 1]]
        if i < n - 1:
            row += [f"l+:{hint}" for hint in hints.words[i + 1]] + [f">{hint}" for hint in hints.phrases[i + 1]]
        for feature in context:
            row += [feature, f"{feature}|{doc.shapes[i]}", f"{feature}|{known[i]}"]
        out.append(row)
    return out


def _word(raw: str, word: str, form: str, seen: int) -> list[str]:
    row = [
        "b",
        f"s={form}",
        f"a1={word[:1]}",
        f"a2={word[:2]}",
        f"a3={word[:3]}",
        f"z1={word[-1:]}",
        f"z2={word[-2:]}",
        f"z3={word[-3:]}",
        f"z4={word[-4:]}",
        f"r{min(3, seen)}",
    ]
    if seen > 0:
        row += [f"w={word}", f"W={raw}"]
    else:
        row.append("w?")
    if word.isdigit():
        row.append("dg")
    return row


def _window(k: list[str], s: list[str], i: int) -> list[str]:
    return [
        f"k-5={k[i - 5]}",
        f"k-4={k[i - 4]}",
        f"k-3={k[i - 3]}",
        f"k-2={k[i - 2]}",
        f"k-1={k[i - 1]}",
        f"k1={k[i + 1]}",
        f"k2={k[i + 2]}",
        f"k3={k[i + 3]}",
        f"k4={k[i + 4]}",
        f"k5={k[i + 5]}",
        f"s-1={s[i - 1]}",
        f"s1={s[i + 1]}",
        f"k-10={k[i - 1]}|{k[i]}",
        f"k01={k[i]}|{k[i + 1]}",
        f"k-21={k[i - 2]}|{k[i - 1]}",
        f"k12={k[i + 1]}|{k[i + 2]}",
        f"k-11={k[i - 1]}|{k[i + 1]}",
        f"s3={s[i - 1]}|{s[i]}|{s[i + 1]}",
    ]


def _around(known: list[str], i: int) -> list[str]:
    """The words before and after a token, its neighbours left out, in no order."""
    before, after = known[max(0, i - _FAR) : max(0, i - 1)], known[i + 2 : i + 1 + _FAR]
    return [f"L={word}" for word in dict.fromkeys(before)] + [f"R={word}" for word in dict.fromkeys(after)]


def _line(doc: Document, i: int, *, named: bool) -> list[str]:
    """Where in its line a token stands, and what the line is called; nothing where there is one line."""
    if len(doc.names) < 2:
        return []
    line = doc.lines[i]
    row = ["bol"] if not i or doc.lines[i - 1] != line else []
    if i + 1 == len(doc.lines) or doc.lines[i + 1] != line:
        row.append("eol")
    if named:
        row += [f"h={doc.names[line]}", f"h={doc.names[line]}|{doc.shapes[i]}"]
    return row


def _context(doc: Document) -> list[str]:
    """Lines that only inform, whole and word by word."""
    out = [f"C{name}={text}" for name, text in doc.context]
    return out + sorted({f"c{name}={word}" for name, words in doc.context_words for word in words})
