"""The training data inside a bundle: one example a line, packed so that the same examples give the same digest.

The digest is taken over the unpacked lines: compressors differ between builds of Python, lines do not.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from freehold.errors import BundleRefused
from freehold.vocabulary import Example

from ._formats import Layout, gunzip

DATA_FILE: Final = Layout.DATA
MAX_UNPACKED_BYTES: Final = 4 * 1024**3

_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(Example)


def encode_examples(examples: Iterable[Example]) -> bytes:
    """Pack examples, in the order given, as deterministic gzip of JSON lines: the content of `data/train.jsonl.gz`."""
    lines = b"".join(_encoder.encode(example) + b"\n" for example in examples)
    return gzip.compress(lines, compresslevel=9, mtime=0)


def decode_examples(packed: bytes) -> list[Example]:
    """Read what `encode_examples` packed.

    Raises:
        BundleRefused: the data are broken; the message names the line.
    """
    examples: list[Example] = []
    for number, line in enumerate(gunzip(packed, limit_bytes=MAX_UNPACKED_BYTES).splitlines(), start=1):
        try:
            examples.append(_decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise BundleRefused(f"{DATA_FILE}: line {number} is not an example", code="bundle_format") from None
    return examples


def read_examples(folder: Path) -> list[Example]:
    """Read the examples that the student in `folder` learned from. Does not verify the bundle.

    Raises:
        BundleRefused: the data are missing or broken.
    """
    try:
        packed = (folder / DATA_FILE).read_bytes()
    except OSError:
        raise BundleRefused(f"the bundle has no {DATA_FILE}", code="bundle_incomplete") from None
    return decode_examples(packed)


def dataset_digest(packed: bytes) -> str:
    """The data set's name: sha256 of the unpacked lines, as hexadecimal text.

    Raises:
        BundleRefused: the data are broken.
    """
    return hashlib.sha256(gunzip(packed, limit_bytes=MAX_UNPACKED_BYTES)).hexdigest()
