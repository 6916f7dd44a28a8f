"""From the texts of a call to words, word pairs and character n-grams; shared by trainer and runtime.

Knows no language: words are runs of letters and digits in any script, and character n-grams serve scripts that put no
spaces between words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from freehold.students._text import normalise

WORDS = re.compile(r"\w+")
CHAR_SIZES = (2, 3, 4, 5)
MAX_WORD_CHARS = 4_000
MAX_CHAR_CHARS = 600
"""How much of a call is read, by words and by characters: the head and the tail of longer texts.

Reading is most of an answer's time; this keeps a call of any length under the promised 3 ms.
"""


def clip(text: str, size: int) -> str:
    """The first two thirds and the last third of `size` characters, where a text is longer."""
    if len(text) <= size:
        return text
    tail = size // 3
    return f"{text[: size - tail]} {text[-tail:]}"


def grams(inputs: tuple[str, ...]) -> tuple[list[str], list[str], list[str]]:
    """(words, word pairs, character n-grams) of a call, each as often as it occurs.

    Several slots share one vocabulary apart from a prefix that says which slot a gram stands in.
    """
    words: list[str] = []
    pairs: list[str] = []
    chars: list[str] = []
    for slot, text in enumerate(inputs):
        prefix = f"{slot}\x1f" if len(inputs) > 1 else ""
        clean = normalise(clip(text, MAX_WORD_CHARS // len(inputs)))
        found = [prefix + word for word in WORDS.findall(clean)]
        words += found
        pairs += [f"{a} {b}" for a, b in pairwise(found)]
        chars += _char_grams(clip(clean, MAX_CHAR_CHARS // len(inputs)).split(), prefix)
    return words, pairs, chars


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
