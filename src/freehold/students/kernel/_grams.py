"""From the texts of a call to words, word pairs, character n-grams and company; shared by trainer and runtime.

Knows no language: words are runs of letters and digits in any script, and character n-grams serve scripts that put no
spaces between words. Company is any two words that stand near each other, in either order, each cut to its first
letters: what a sentence is about lies in which words come together more than in which follow each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from freehold.students._text import normalise

WORDS = re.compile(r"\w+")
CHAR_SIZES = (2, 3, 4, 5)
MAX_WORD_CHARS = 4_000
MAX_CHAR_CHARS = 600
"""How much of a call is read, by words and by characters: the head and the tail of longer texts.

Reading is most of an answer's time; this keeps a call of any length under the promised 3 ms.
"""
STEM, REACH = 4, 12
"""Company: letters kept of a word, and how many words apart two may stand. Measured in design/students.md."""
MAX_COMPANY_WORDS = 45


class Grams(NamedTuple):
    """The grams of a call by block, in the order of a student's columns; each as often as it occurs."""

    words: list[str]
    pairs: list[str]
    chars: list[str]
    company: list[str]


def clip(text: str, size: int) -> str:
    """The first two thirds and the last third of `size` characters, where a text is longer."""
    if len(text) <= size:
        return text
    tail = size // 3
    return f"{text[: size - tail]} {text[-tail:]}"


def grams(inputs: tuple[str, ...]) -> Grams:
    """What a call is made of.

    Several slots share one vocabulary apart from a prefix that says which slot a gram stands in.
    """
    out = Grams([], [], [], [])
    for slot, text in enumerate(inputs):
        prefix = f"{slot}\x1f" if len(inputs) > 1 else ""
        clean = normalise(clip(text, MAX_WORD_CHARS // len(inputs)))
        bare = WORDS.findall(clean)
        found = [prefix + word for word in bare]
        out.words.extend(found)
        out.pairs.extend(f"{a} {b}" for a, b in pairwise(found))
        out.chars.extend(_char_grams(clip(clean, MAX_CHAR_CHARS // len(inputs)).split(), prefix))
        out.company.extend(_company(bare, MAX_COMPANY_WORDS // len(inputs), prefix))
    return out


def _company(words: list[str], size: int, prefix: str) -> list[str]:
    """Words near each other, two and two; of a longer text, the head and the tail."""
    tail = size // 3
    kept = words if len(words) <= size else words[: size - tail] + words[len(words) - tail :]
    cut = [word[:STEM] for word in kept]
    out: list[str] = []
    for i, a in enumerate(cut):
        out += [f"{prefix}{a}&{b}" if a < b else f"{prefix}{b}&{a}" for b in cut[i + 1 : i + 1 + REACH] if a != b]
    return out


def _char_grams(pieces: Iterable[str], prefix: str) -> list[str]:
    """N-grams that do not cross white space; a piece's edges count as a blank (scikit-learn calls this char_wb)."""
    out: list[str] = []
    for piece in pieces:
        padded = f" {piece} "
        for size in CHAR_SIZES:
            last = len(padded) - size
            if last < 0:
                break
            out += [prefix + padded[i : i + size] for i in range(last + 1)]
    return out
