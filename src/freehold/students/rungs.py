"""The rungs of the ladder, cheapest first: where each one's trainer and runtime class live.

Light to import: a trainer or a runtime is loaded when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

import msgspec

from freehold.errors import BundleRefused

from .protocol import Student, Trainer


class Rung(msgspec.Struct, frozen=True):
    """One rung: its name in manifests, and `module:Class` of its two halves."""

    name: str
    trainer: str
    runtime: str


RUNGS: tuple[Rung, ...] = (
    Rung(
        "constant", "freehold.students.memory.trainer:ConstantTrainer", "freehold.students.memory.runtime:MemoryStudent"
    ),
    Rung("memory", "freehold.students.memory.trainer:MemoryTrainer", "freehold.students.memory.runtime:MemoryStudent"),
    Rung("linear", "freehold.students.linear.trainer:LinearTrainer", "freehold.students.linear.runtime:LinearStudent"),
    Rung("kernel", "freehold.students.kernel.trainer:KernelTrainer", "freehold.students.kernel.runtime:KernelStudent"),
    Rung(
        "structured",
        "freehold.students.structured.trainer:StructuredTrainer",
        "freehold.students.structured.runtime:StructuredStudent",
    ),
)


def rung(name: str) -> Rung:
    """The rung of that name.

    Raises:
        BundleRefused: no such rung; the bundle was made by another version, or by something else.
    """
    for candidate in RUNGS:
        if candidate.name == name:
            return candidate
    known = ", ".join(candidate.name for candidate in RUNGS)
    raise BundleRefused(f"unknown kind of student {name!r}", hint=f"this version knows {known}")


def trainer_of(name: str) -> Trainer:
    """A trainer for the named rung. Imports what it trains with, scikit-learn perhaps."""
    return cast("type[Trainer]", _load(rung(name).trainer))()


def runtime_of(name: str) -> type[Student]:
    """The runtime class of the named rung. Imports numpy and, for span students, crfsuite; never a trainer."""
    return cast("type[Student]", _load(rung(name).runtime))


def _load(path: str) -> object:
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)
