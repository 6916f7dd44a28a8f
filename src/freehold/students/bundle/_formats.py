"""Which files a bundle may hold: an allow-list of names, and a look inside each file that the name is no lie.

Refusal is the control, not a scan: whatever is not on the list is refused, so there is nothing to miss. No file on the
list can run code by being read with the readers this house uses.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Final

import msgspec

from freehold.errors import BundleRefused

REFUSED_SUFFIXES: Final = frozenset(
    {".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib", ".npy", ".npz", ".h5", ".ckpt", ".dill", ".py", ".so"}
)
"""Formats that can run code when they are loaded, or that carry such formats; named so that the refusal can say why."""

MAX_FILES: Final = 1_000
_MAX_PATH_CHARS: Final = 200
_MAX_DEPTH: Final = 3
_MAX_HEADER_BYTES: Final = 100_000_000
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_DTYPE_BYTES: Final = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip


class Layout:
    """The fixed names in a bundle. Every other file belongs to the student itself."""

    MANIFEST: Final = "manifest.json"
    SIGNATURE: Final = "signature.json"
    CONTRACT: Final = "contract.json"
    CARD: Final = "card.md"
    DATA_CARD: Final = "data_card.md"
    LICENSES: Final = "LICENSES"
    EVIDENCE: Final = "evidence/"
    DATA: Final = "data/train.jsonl.gz"

    @classmethod
    def is_model_file(cls, name: str) -> bool:
        """Whether `name` is part of the student: weights or vocabulary, which its identity rests on."""
        fixed = (cls.MANIFEST, cls.SIGNATURE, cls.CONTRACT, cls.CARD, cls.DATA_CARD, cls.LICENSES)
        return name not in fixed and not name.startswith((cls.EVIDENCE, "data/"))


def check_name(name: str) -> None:
    """Refuse a path that leaves the bundle, that some file system reads differently, or whose format is not allowed.

    Raises:
        BundleRefused: with the name.
    """
    parts = name.split("/")
    if len(name) > _MAX_PATH_CHARS or len(parts) > _MAX_DEPTH or not all(_PART.match(part) for part in parts):
        raise BundleRefused(f"{name[:_MAX_PATH_CHARS]!r} is not a path that a bundle may hold", code="bundle_path")
    if ".." in name or any(part.endswith(".") for part in parts):
        raise BundleRefused(f"{name!r} is not a path that a bundle may hold", code="bundle_path")
    suffixes = PurePosixPath(name.lower()).suffixes
    if any(suffix in REFUSED_SUFFIXES for suffix in suffixes):
        raise BundleRefused(f"{name} is in a format that can run code when it is loaded", code="bundle_format")
    if _checker(name) is None:
        raise BundleRefused(f"{name} is in no format that a bundle may hold", code="bundle_format")


def check_content(name: str, content: bytes) -> None:
    """Refuse a file whose content is not what its name says.

    Raises:
        BundleRefused: with the name.
    """
    checker = _checker(name)
    why = "no format that a bundle may hold" if checker is None else checker(content)
    if why:
        raise BundleRefused(f"{name} is {why}", code="bundle_format")


def _checker(name: str) -> Callable[[bytes], str] | None:
    if name == Layout.LICENSES:
        return _text
    if name.startswith("data/"):
        return _gzip if name == Layout.DATA else None
    return _BY_SUFFIX.get(PurePosixPath(name).suffix)


def _json(content: bytes) -> str:
    try:
        msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "not JSON"
    return ""


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return "not UTF-8 text"
    return "not text" if "\0" in text else ""


def _gzip(content: bytes) -> str:
    return "" if content.startswith(b"\x1f\x8b\x08") else "not a gzip file"


def _crfsuite(content: bytes) -> str:
    if len(content) < 12 or content[:4] != b"lCRF" or content[8:12] != b"FOMC":
        return "not a crfsuite model"
    return "" if struct.unpack("<I", content[4:8])[0] == len(content) else "a crfsuite model of another length"


def _safetensors(content: bytes) -> str:
    """Check the header against the file: known types, tensors side by side from the first byte to the last."""
    if len(content) < 8:
        return "not a safetensors file"
    length = struct.unpack("<Q", content[:8])[0]
    if length > min(_MAX_HEADER_BYTES, len(content) - 8) or content[8:9] != b"{":
        return "not a safetensors file"
    try:
        header = msgspec.json.decode(content[8 : 8 + length], type=dict[str, msgspec.Raw])
        header.pop("__metadata__", None)
        tensors = [msgspec.json.decode(raw, type=_Tensor) for raw in header.values()]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "a safetensors file with an unreadable header"
    end = 0
    for tensor in sorted(tensors, key=lambda tensor: tensor.data_offsets):
        size = _DTYPE_BYTES.get(tensor.dtype, -1)
        for dimension in tensor.shape:
            size *= dimension
        if size < 0 or min(tensor.shape, default=0) < 0 or tensor.data_offsets != (end, end + size):
            return "a safetensors file whose header does not fit its data"
        end += size
    return "" if end == len(content) - 8 - length else "a safetensors file of another length than its header says"


class _Tensor(msgspec.Struct, frozen=True):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


_BY_SUFFIX = {".json": _json, ".md": _text, ".txt": _text, ".safetensors": _safetensors, ".crfsuite": _crfsuite}


def gunzip(content: bytes, *, limit_bytes: int) -> bytes:
    """Unpack one gzip member that fills `content` exactly.

    Raises:
        BundleRefused: broken, more than one member, bytes after the end, or more than `limit_bytes` unpacked.
    """
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(content, limit_bytes + 1)
    except zlib.error:
        raise BundleRefused(f"{Layout.DATA} cannot be unpacked", code="bundle_changed") from None
    if len(unpacked) > limit_bytes:
        raise BundleRefused(f"{Layout.DATA} unpacks to more than {limit_bytes:,} bytes", code="bundle_format")
    if not unpacker.eof or unpacker.unused_data:
        raise BundleRefused(f"{Layout.DATA} is cut off, or has bytes after its end", code="bundle_changed")
    return unpacked
