"""Compressing bodies that are encrypted one by one: with a dictionary of what the bodies of their segment share.

Ciphertext does not compress, so a body is compressed before. Alone it would be five times as large as in a Parquet page
beside its like, because prompts repeat; a trained dictionary (zstandard's COVER) wins most of that back. The dictionary
is content, and stands encrypted in the segment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from ._rows import Row
from ._vault import DataKey, Transform

_ABOUT = "dictionary"
_LEVEL = 3
_SAMPLES = 8192
_SAMPLE_BYTES = 16 * 1024
_LARGEST = 110 * 1024
_SHARE = 64  # a dictionary pays where what it helps with is so many times as large
_SMALLEST = 1024
_SEGMENT = 2048  # stated, so that no training time goes into finding it
_LEARN_ROWS = 4096
_LEARN_BYTES = 8 * 1024 * 1024
"""What is held while the dictionary is learnt from it."""


def hidden_rows(rows: Iterable[Row], key: DataKey) -> Iterator[Row]:
    """Rows of `NAMES` and `BODIES` as an encrypted segment holds them, each ended by its column `DICTIONARY`."""
    rest = iter(rows)
    head: list[Row] = []
    size = 0
    while len(head) < _LEARN_ROWS and size < _LEARN_BYTES and (row := next(rest, None)) is not None:
        head.append(row)
        size += len(row[-1]) + len(row[-2])
    dictionary = trained([body for row in head for body in row[-2:]])
    pack, kept = packer(dictionary), hidden(dictionary, key)
    for row in chain(head, rest):
        yield (*key.hide(row, pack), kept)
        kept = None


def trained(bodies: Sequence[bytes]) -> bytes:
    """A dictionary for bodies like these; empty where they are too few to be worth one."""
    import zstandard

    step = max(1, len(bodies) // _SAMPLES) | 1  # odd, or it would be requests alone
    samples: list[Any] = [body[:_SAMPLE_BYTES] for body in bodies[::step] if body]
    size = min(_LARGEST, sum(map(len, bodies)) // _SHARE, sum(map(len, samples)) // 8)
    if size < _SMALLEST:
        return b""
    try:
        return zstandard.train_dictionary(size, samples, k=_SEGMENT, d=8, level=_LEVEL).as_bytes()
    except zstandard.ZstdError:  # samples that have nothing in common
        return b""


def packer(dictionary: bytes) -> Transform:
    """Compresses a body."""
    import zstandard

    shared = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
    return zstandard.ZstdCompressor(level=_LEVEL, dict_data=shared).compress


def unpacker(dictionary: bytes) -> Transform:
    """Undoes `packer` with the same dictionary."""
    import zstandard

    shared = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
    return zstandard.ZstdDecompressor(dict_data=shared).decompress


def hidden(dictionary: bytes, key: DataKey) -> bytes | None:
    """The dictionary as the segment keeps it; None for an empty one."""
    return key.hide_text(dictionary, _ABOUT) if dictionary else None


def shown(kept: bytes | None, key: DataKey) -> bytes:
    """The dictionary that `hidden` hid."""
    return key.show_text(kept, _ABOUT) if kept else b""
