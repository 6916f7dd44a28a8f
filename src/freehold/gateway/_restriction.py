"""Whether a request holds the text of a restricted task, whatever else it holds and whatever it is declared to be.

Routing asks which task a call is, and may answer "none that I know". This asks less and errs the other way: enough of a
restricted prompt anywhere in the messages is enough to keep the call in. Tools, schema, roles, letter case, punctuation
and length do not count. It cannot see a prompt that was reworded, and not a task that has no constant text.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from freehold.vocabulary import Template
from freehold.wire.openai import ChatRequest

BAR = 0.3
"""Share of a restricted prompt's own constant text that a request must hold to count as restricted."""
VARIANT = 0.5
"""A task whose prompt holds that share of a restricted one's is taken for a version of it."""

# Scripts written without blanks between words (Thai to Khmer, kana, Han): every character counts as a word.
_unspaced = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_ascii_words = re.compile(r"\w+", re.ASCII).findall
_any_words = re.compile(r"\w+").findall
_START = "\x02"
_LEAST = 2
_LEAST_SHARE = 0.2

Shingle = tuple[str, str, str]


class Restriction:
    """The test for one set of restricted templates.

    Args:
        restricted: the templates whose text may not leave.
        ordinary: all others. Text that they share with a restricted one (a preamble of the whole product) says nothing,
            unless hardly any would be left.
    """

    def __init__(self, restricted: Iterable[Template], ordinary: Iterable[Template]) -> None:
        self._ordinary = {template.id: constant_shingles(template) for template in ordinary}
        self._index: defaultdict[Shingle, list[int]] = defaultdict(list)
        self._needed: list[int] = []
        for text in {constant_shingles(template) for template in restricted}:
            # What is nearly the same prompt explains its own calls (see `held_by`) and takes nothing from this one.
            apart = (one for one in self._ordinary.values() if len(one & text) < VARIANT * len(text))
            own = text.difference(*apart)
            if len(own) < max(_LEAST, _LEAST_SHARE * len(text)):
                own = text
            for shingle in own:
                self._index[shingle].append(len(self._needed))
            self._needed.append(max(math.ceil(BAR * len(own)), min(len(own), _LEAST)))
        self._wanted = frozenset(self._index)

    def held_by(self, request: ChatRequest, template_id: str = "") -> bool:
        """Whether a request holds restricted text.

        `template_id`: the ordinary template it fits exactly, if any; what that template itself says does not count.
        """
        if not self._wanted:
            return False
        held: set[Shingle] = set()
        for message in request.messages:
            text = message.content if isinstance(message.content, str) else message.text
            held.update(self._wanted.intersection(_shingles_of(text)))
        counts = [0] * len(self._needed)
        for shingle in held - self._ordinary.get(template_id, frozenset()):
            for number in self._index[shingle]:
                counts[number] += 1
        return any(count >= needed for count, needed in zip(counts, self._needed, strict=True))


def is_variant(template: Template, restricted: Iterable[Template]) -> bool:
    """Whether a template says most of what a restricted one says, so that it may be a new version of its prompt."""
    own = constant_shingles(template)
    texts = [constant_shingles(one) for one in restricted] if own else []
    return any(text and len(text & own) >= VARIANT * len(text) for text in texts)


def constant_shingles(template: Template) -> frozenset[Shingle]:
    """Runs of three words that every call of a template holds, in small letters.

    A template that has no three words in a row is known by how its messages begin; one without any word by nothing.
    """
    pieces = [piece for pattern in template.messages for piece in pattern.pieces if isinstance(piece, str)]
    found: frozenset[Shingle] = frozenset(s for piece in pieces for s in _runs(_words(piece)))
    if found:
        return found
    starts = [pattern.pieces[0] for pattern in template.messages if pattern.pieces]
    words = [_words(start) for start in starts if isinstance(start, str)]
    return frozenset(list(_runs([_START, _START, *some]))[-1] for some in words if some)


def _shingles_of(text: str) -> Iterator[Shingle]:
    return _runs([_START, _START, *_words(text)])


def _runs(words: list[str]) -> Iterator[Shingle]:
    return zip(words, words[1:], words[2:], strict=False)


def _words(text: str) -> list[str]:
    text = text.casefold()
    if text.isascii():
        return _ascii_words(text)
    return _any_words(_unspaced.sub(r" \g<0> ", text))
