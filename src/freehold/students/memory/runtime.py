"""A student that answers inputs it has seen before, word for word, and is unsure of everything else."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence

import msgspec

from freehold.errors import BundleRefused
from freehold.students._text import normalise
from freehold.vocabulary import Answer

FILE = "memory.json"


class Memory(msgspec.Struct, frozen=True):
    """What `memory.json` holds.

    `answers`: distinct answers. `seen`: digest of a normalised input to (index into `answers`, times seen, times the
    answer was this one). `default`: index of the answer to anything else, or -1 where there is none, and
    `default_confidence` how sure of it.
    """

    answers: list[str]
    seen: dict[str, tuple[int, int, int]]
    default: int = -1
    default_confidence: float = 0.0


def key(inputs: tuple[str, ...]) -> str:
    """The digest an input is remembered under: case and runs of white space do not count."""
    return hashlib.blake2b("\x00".join(normalise(text) for text in inputs).encode(), digest_size=12).hexdigest()


class MemoryStudent:
    """Answers repeats. Confidence of a repeat is (times agreed + 1) / (times seen + 2), scope 1; else scope 0."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> MemoryStudent:
        """Build from `memory.json`."""
        try:
            return cls(msgspec.json.decode(files[FILE], type=Memory))
        except msgspec.DecodeError as error:
            raise BundleRefused(f"{FILE} cannot be read: {error}") from None

    def answer(self, inputs: tuple[str, ...]) -> Answer:
        """Answer one call."""
        began = time.thread_time()
        memory = self._memory
        found = memory.seen.get(key(inputs))
        if found is not None:
            index, seen, agreed = found
            text, confidence, scope = memory.answers[index], (agreed + 1) / (seen + 2), 1.0
        elif memory.default >= 0:
            text, confidence, scope = memory.answers[memory.default], memory.default_confidence, 1.0
        else:
            text, confidence, scope = "", 0.0, 0.0
        return Answer(text, confidence, scope, (time.thread_time() - began) * 1000)

    def answer_many(self, many: Sequence[tuple[str, ...]]) -> list[Answer]:
        """Answer several calls, one by one."""
        return [self.answer(inputs) for inputs in many]
