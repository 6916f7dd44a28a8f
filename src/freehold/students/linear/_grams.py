"""From the texts of a call to weighted words and word pairs, slot by slot; shared by trainer and runtime."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

from freehold.students._text import normalise

MAX_CHARS = 20_000
_WORDS = re.compile(r"\w+")
_SHORT_CHARS = 200


def grams(text: str) -> list[str]:
    """Words, their pairs, the first and the last; of short texts character trigrams, as some scripts have no spaces."""
    clean = normalise(text[:MAX_CHARS])
    words = _WORDS.findall(clean)
    found = [*words, *(f"{a} {b}" for a, b in pairwise(words))]
    if words:
        found += [f"\x02{words[0]}", f"\x03{words[-1]}"]
    if len(clean) <= _SHORT_CHARS:
        found += [f"\x04{clean[i : i + 3]}" for i in range(len(clean) - 2)]
    return found


def features(
    inputs: tuple[str, ...], columns: Mapping[str, int], idf: Mapping[int, float]
) -> tuple[dict[int, float], float]:
    """Columns with their values, and the share of the input's grams that are known.

    Every slot has length one by itself: a short question is not drowned by the long passage beside it.
    """
    values: dict[int, float] = {}
    known = total = 0
    for slot, text in enumerate(inputs):
        counts = Counter(f"{slot}\x1f{gram}" for gram in grams(text))
        mine = {columns[g]: (1 + math.log(n)) * idf[columns[g]] for g, n in counts.items() if g in columns}
        length = math.sqrt(sum(value * value for value in mine.values()))
        values.update({column: value / length for column, value in mine.items()} if length else {})
        known += len(mine)
        total += len(counts)
    return values, known / total if total else 0.0
