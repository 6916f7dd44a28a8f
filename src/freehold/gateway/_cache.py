"""Answers that were given before, for tasks that want the same request answered alike.

Exact matches alone: a key is a digest of the caller, the dialect, the body and the URL's query, byte for byte. There is
no look-up by likeness: two prompts that read alike may want different answers, and no threshold tells which.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from ._exchange import Headers

_CALLER = frozenset({b"authorization", b"x-api-key", b"api-key"})
_OVERHEAD = 512


class Kept(NamedTuple):
    """An answer as the client's dialect has it, whole, and whose it is."""

    body: bytes
    provider: str
    model: str
    until: float


class AnswerCache:
    """The answers of one gateway process, in memory. The oldest leave where it is full; nothing survives a restart.

    Args:
        max_bytes: how much it holds, bodies and an allowance for each.
        clock: seconds.
    """

    def __init__(self, max_bytes: int, clock: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._bytes = 0

    @staticmethod
    def key(caller: str, headers: Headers, dialect: str, body: bytes, query: bytes = b"") -> bytes:
        """The key of a request: no answer passes from one caller to another, with a virtual key or one of their own."""
        digest = hashlib.blake2b(digest_size=16)
        own = b"\n".join(value for name, value in headers if name in _CALLER)
        for part in (caller.encode(), own, dialect.encode(), body, query):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.digest()

    def get(self, key: bytes) -> Kept | None:
        """The answer, or None where there is none or its time is over."""
        found = self._kept.get(key)
        if found is None:
            return None
        if self._clock() >= found.until:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return found

    def put(self, key: bytes, body: bytes, *, provider: str, model: str, seconds: float) -> None:
        """Keep an answer for so long; one that takes more than an eighth of all the room is not kept."""
        if len(body) > self._max_bytes // 8:
            return
        if key in self._kept:
            self._drop(key)
        self._kept[key] = Kept(body, provider, model, self._clock() + seconds)
        self._bytes += len(body) + _OVERHEAD
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: bytes) -> None:
        self._bytes -= len(self._kept.pop(key).body) + _OVERHEAD
