"""Words of any language, as discovery and matching see them. Standard library only."""

from __future__ import annotations

import re

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Scripts written without blanks between words (Thai, Lao, Burmese, Khmer, kana, Han): every character is a token."""

_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W\d{_UNSPACED}]+|\d+|\n|[^\S\n]+|[^\w\s]|_")
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W\d{_UNSPACED}]+|\d+|\n+|[^\w\s]")
SHINGLE = 3
"""Tokens in one shingle."""
_LETTERS_ALONE = {code: " " for code in range(128) if not (chr(code).isalpha() or chr(code) == "_")}


def tokens(text: str) -> list[str]:
    """Cut a text into tokens that give it back when joined: words, numbers, line ends, runs of blanks, single marks."""
    return _TOKEN.findall(text)


def words(text: str) -> list[str]:
    """Tokens without blanks, every number as "0": what stays the same when dates, counts and spacing vary."""
    return ["0" if word.isdigit() else ("\n" if word[0] == "\n" else word) for word in _WORD.findall(text)]


def known_words(text: str, known: frozenset[str]) -> frozenset[str]:
    """Those of some words with a letter in them that are among the `words` of a text: much sooner told than all."""
    found = text.translate(_LETTERS_ALONE).split() if text.isascii() else _WORD.findall(text)
    return known.intersection(found)


def shingles(text: str) -> set[tuple[str, ...]]:
    """All runs of three words of a text, its two ends marked."""
    found = ["\x02", *words(text), "\x03"]
    return set(zip(found, found[1:], found[2:], strict=False))


def clipped(text: str, head: int, tail: int) -> str:
    """The first `head` and last `tail` characters of a long text, or the whole of a short one."""
    return text if len(text) <= head + tail else f"{text[:head]}\n{text[-tail:]}"
