"""Cutting text into tokens with offsets, in any script.

A token is what a value can begin and end at. How fine tokens have to be depends on the data ("12:15PM" holds the value
"12:15" or it does not), so there are three levels, and the trainer takes the coarsest that suffices.
"""

from __future__ import annotations

import re

LEVELS = (0, 1, 2)
"""0: words, letters and digits together. 1: letters and digits apart. 2: every character."""

# Scripts that are written without spaces between words: each character is a token, at every level.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003134f"
)
# Combining marks are no letters to `re`, yet they belong to the word they stand in (Hindi, Arabic, decomposed Latin).
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
    "\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u0981-\u0983\u09bc-\u09cd\u0a01-\u0a51\u0a81-\u0acd"
    "\u0b01-\u0b57\u0b82-\u0bcd\u0c00-\u0c56\u0c81-\u0cd6\u0d00-\u0d57\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
)
_LETTER = rf"(?:[^\W\d_{_UNSPACED}]|[{_MARKS}])"
_WORDS = re.compile(rf"[{_UNSPACED}]|(?:{_LETTER}|\d|_)+|[^\w\s]")
_APART = re.compile(rf"[{_UNSPACED}]|{_LETTER}+|\d+|[^\w\s]|_")
_CHARACTERS = re.compile(r"\S")
_BY_LEVEL = (_WORDS, _APART, _CHARACTERS)

_SHAPE_CHARS = 8


def tokenise(text: str, level: int) -> list[tuple[int, int]]:
    """Offsets (start, end) of the tokens of `text`."""
    return [match.span() for match in _BY_LEVEL[level].finditer(text)]


def shape(word: str) -> str:
    """The look of a word: `X` upper, `x` other letters, `d` digits, else the character; runs end after two."""
    out: list[str] = []
    for char in word:
        kind = "X" if char.isupper() else "d" if char.isdigit() else "x" if char.isalpha() else char
        if len(out) < 2 or out[-1] != kind or out[-2] != kind:
            out.append(kind)
            if len(out) == _SHAPE_CHARS:
                break
    return "".join(out)
