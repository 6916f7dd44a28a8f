"""What takes long to compute and follows from its inputs alone: a later process may be given it instead.

Replicas that were fitted, by model and GPUs, and shares of failing windows that were simulated, by a digest of all that
went into them. They hold within one release: whoever keeps them longer keeps by which release they were made.
"""

from __future__ import annotations

import hashlib

import msgspec

from .replica import Replica

_MOST = 256
"""Simulations beyond these push out the oldest."""


class Computed(msgspec.Struct):
    """All of it. `failing`: for each number of replicas, the share of the windows that fail at each load."""

    replicas: dict[str, Replica] = {}
    failing: dict[str, tuple[tuple[float, ...], ...]] = {}


known = Computed()
"""Of this process."""


def digest(*inputs: object) -> str:
    """Equal for equal inputs; they are structs, numbers and tuples of them."""
    return hashlib.sha256(msgspec.json.encode(inputs)).hexdigest()


def add(found: Computed) -> None:
    """Take in what another process of this release computed; what is known stays as it is."""
    known.replicas = found.replicas | known.replicas
    known.failing = found.failing | known.failing


def note_failing(key: str, shares: tuple[tuple[float, ...], ...]) -> None:
    """Remember a simulation."""
    known.failing[key] = shares
    while len(known.failing) > _MOST:
        del known.failing[next(iter(known.failing))]


def sizes() -> tuple[int, int]:
    """How many replicas and simulations are known."""
    return len(known.replicas), len(known.failing)


def forget() -> None:
    """Compute anew what is asked next, as a new process would that is given nothing."""
    known.replicas, known.failing = {}, {}
