"""From a bundle's folder to a student that answers.

Knows the manifest's rung and nothing else of it: checking the bundle's signature and digests is the bundle's work, and
is done before this is called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from freehold.errors import BundleRefused
from freehold.vocabulary import Manifest

from .protocol import Student
from .rungs import runtime_of

MANIFEST = "manifest.json"


class _Folder(Mapping[str, bytes]):
    """A folder's files as a mapping, each read when it is asked for. Only names that the manifest lists exist."""

    def __init__(self, root: Path, names: frozenset[str]) -> None:
        self._root = root
        self._names = names

    def __getitem__(self, name: str) -> bytes:
        if name not in self._names:
            raise KeyError(name)
        try:
            return (self._root / name).read_bytes()
        except OSError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names))

    def __len__(self) -> int:
        return len(self._names)


def load(bundle: Path) -> Student:
    """Load the student in the folder `bundle`.

    Does not verify digests or the signature.

    Raises:
        BundleRefused: the manifest or a file of the student is missing or unreadable, or the rung is unknown.
    """
    try:
        manifest = msgspec.json.decode((bundle / MANIFEST).read_bytes(), type=Manifest)
    except OSError:
        raise BundleRefused("the bundle has no manifest", code="bundle_incomplete") from None
    except msgspec.DecodeError as error:
        raise BundleRefused(f"the bundle's manifest cannot be read: {error}") from None
    return build(manifest.rung, _Folder(bundle, frozenset(manifest.files)))


def build(rung: str, files: Mapping[str, bytes]) -> Student:
    """Build a student of the named rung from its files.

    Raises:
        BundleRefused: a file is missing or unreadable, or the rung is unknown.
    """
    try:
        return runtime_of(rung).from_files(files)
    except KeyError as error:
        raise BundleRefused(f"the bundle lacks {error.args[0]}", code="bundle_incomplete") from None
