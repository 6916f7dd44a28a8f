"""The catalogue of faults, read from `cases.toml`."""

from __future__ import annotations

from pathlib import Path

import msgspec


class FaultClass(msgspec.Struct, frozen=True):
    """A group of cases: its title, what holds for all of them, and the promise of each."""

    title: str
    always: str
    promises: dict[str, str]


CLASSES = msgspec.toml.decode(Path(__file__).with_name("cases.toml").read_bytes(), type=dict[str, FaultClass])
