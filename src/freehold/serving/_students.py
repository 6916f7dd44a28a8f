"""The students of one worker: verified, loaded, kept to their contracts, timed."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from freehold.errors import BundleRefused
from freehold.students import bundle as bundles
from freehold.tasks import contracts
from freehold.vocabulary import Answer, Contract

MAX_LOADED: Final = 32


class Student(Protocol):
    """What a loader returns: something that answers one call or several."""

    def answer(self, inputs: tuple[str, ...]) -> Answer:
        """Answer one call."""
        ...

    def answer_many(self, many: Sequence[tuple[str, ...]]) -> list[Answer]:
        """Answer several calls, in order."""
        ...


Loader = Callable[[Path], Student]


class Timed(NamedTuple):
    """An answer that may be served, or None where the student failed on it."""

    answer: Answer | None


class _Loaded(NamedTuple):
    bundle: str
    student: Student
    contract: Contract


class Students:
    """Loaded students by id; the one unused longest is dropped beyond `MAX_LOADED`.

    Args:
        home: where relative bundle paths start, and whose keys are trusted.
        loader: makes a student from the folder of a verified bundle.
    """

    def __init__(self, home: Path, loader: Loader) -> None:
        self._home = home
        self._loader = loader
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()

    def load(self, student_id: str, bundle: str) -> None:
        """Verify and load a student, unless that is done.

        Raises:
            BundleRefused: the bundle is changed, unsigned, signed by somebody this home does not trust, another
            student's, or cannot be loaded.
        """
        known = self._loaded.get(student_id)
        if known is not None and known.bundle == bundle:
            self._loaded.move_to_end(student_id)
            return
        folder = self._home / bundle
        verified = bundles.verify(folder, trusted=bundles.trusted_signers(self._home))
        if not verified.known_signer:
            raise BundleRefused(
                f"the bundle is signed by {verified.signer[:16]}…, whom this home does not trust",
                hint="put the signer's public key into keys/trusted/NAME.pub",
                code="bundle_signer",
            )
        if verified.manifest.student_id != student_id:
            raise BundleRefused("the bundle is another student's", code="bundle_changed")
        self._loaded[student_id] = _Loaded(bundle, self._loader(folder), bundles.read_contract(folder))
        while len(self._loaded) > MAX_LOADED:
            self._loaded.popitem(last=False)

    def answer(self, student_id: str, many: Sequence[tuple[str, ...]]) -> list[Timed]:
        """Answer a batch with a loaded student; where the batch fails, one by one, so that one call fails alone."""
        loaded = self._loaded[student_id]
        began = time.thread_time()
        answers = _batch(loaded.student, many)
        kept = [None if answer is None else _kept(loaded.contract, answer) for answer in answers]
        model_ms = (time.thread_time() - began) * 1000 / max(len(many), 1)
        return [Timed(None if a is None else Answer(a.text, a.confidence, a.scope, round(model_ms, 4))) for a in kept]


def _batch(student: Student, many: Sequence[tuple[str, ...]]) -> list[Answer | None]:
    try:
        answers = student.answer_many(many)
    except Exception:  # noqa: BLE001 - a student is foreign code as far as the worker is concerned: it must not end it
        return [_one(student, inputs) for inputs in many]
    return list(answers) if len(answers) == len(many) else [None] * len(many)


def _one(student: Student, inputs: tuple[str, ...]) -> Answer | None:
    try:
        return student.answer(inputs)
    except Exception:  # noqa: BLE001 - see `_batch`
        return None


def _kept(contract: Contract, answer: Answer) -> Answer:
    """The answer with a confidence and a scope to rely on: 0 where it breaks the contract or is no number."""
    confidence = answer.confidence if contracts.check(contract, answer.text) is None else 0.0
    return Answer(answer.text, _unit(confidence), _unit(answer.scope))


def _unit(value: float) -> float:
    return min(max(float(value), 0.0), 1.0) if math.isfinite(value) else 0.0
