"""A host of owned models whose answers a test decides."""

from __future__ import annotations

import asyncio
import threading

from freehold.vocabulary import Answer


class ScriptedHost:
    """Answers every question with `answer`, raises it, or never answers where it is None."""

    def __init__(self, answer: Answer | Exception | None) -> None:
        self.answer_with = answer
        self.asked: list[tuple[str, str, tuple[str, ...]]] = []
        self.loaded: list[tuple[str, str]] = []
        self.cancelled = threading.Event()
        self.closed = threading.Event()

    async def load(self, student_id: str, bundle: str) -> None:
        self.loaded.append((student_id, bundle))

    async def close(self) -> None:
        self.closed.set()

    async def answer(self, student_id: str, bundle: str, inputs: tuple[str, ...], timeout_s: float = 1.0) -> Answer:  # noqa: ARG002
        self.asked.append((student_id, bundle, inputs))
        if self.answer_with is None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if isinstance(self.answer_with, Exception):
            raise self.answer_with
        assert self.answer_with is not None
        return self.answer_with


SURE = Answer("refund", confidence=0.97, scope=0.9)
UNSURE = Answer("refund", confidence=0.5, scope=0.9)
FOREIGN = Answer("refund", confidence=0.99, scope=0.1)
