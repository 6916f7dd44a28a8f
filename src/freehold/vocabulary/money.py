"""Money and other figures that must say where they come from.

Amounts are `Decimal` US dollars; no float ever holds money that is added up.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

ZERO = Decimal(0)


class Source(msgspec.Struct, frozen=True):
    """Where a figure comes from.

    A name a person can look up, its date (ISO 8601), and whether somebody stated it or we assumed it.
    """

    name: str
    date: str = ""
    assumed: bool = False


class Range(msgspec.Struct, frozen=True):
    """A figure with its plausible range: P10, P50, P90."""

    low: Decimal
    mid: Decimal
    high: Decimal


class Assumption(msgspec.Struct, frozen=True):
    """An input that nobody measured.

    Its value, its plausible range, its unit and its source. Listed on every verdict that used it.
    """

    name: str
    value: Decimal
    low: Decimal
    high: Decimal
    unit: str
    source: Source
