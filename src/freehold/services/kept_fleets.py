"""Fitted replicas and simulated fleets (`capacity.computed`), kept between commands: they follow from inputs alone."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from freehold.economics.capacity import computed

from . import _stored
from .home import Home

_NAME = "fleets"


@contextmanager
def kept(home: Home) -> Generator[None]:
    """Inside, what an earlier command fitted and simulated is known; afterwards, what was new is kept."""
    key = _stored.digest("fleets")
    found = _stored.recall(home, _NAME, key, computed.Computed)
    if found is not None:
        computed.add(found)
    before = computed.sizes()
    yield
    if computed.sizes() != before or found is None:
        _stored.keep(home, _NAME, key, computed.known)
