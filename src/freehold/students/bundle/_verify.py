"""Is this folder still what its signer signed, and may it be read at all?

Everything is checked before anything is used: names, kinds of file, digests, formats, signature. Does not promise that
the files stay as they are after the check, nor that the student in them is any good.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from freehold.errors import BundleRefused
from freehold.vocabulary import Contract, Manifest

from ._data import dataset_digest
from ._formats import MAX_FILES, Layout, check_content, check_name
from ._identity import SCHEMA, student_id
from ._signing import check_signature

_MAX_MANIFEST_BYTES: Final = 16 * 1024**2
REQUIRED: Final = (Layout.CONTRACT, Layout.CARD, Layout.DATA_CARD, Layout.LICENSES, Layout.DATA)
"""Without these a folder is no bundle: it could not be checked, understood or rebuilt."""


class Verified(NamedTuple):
    """A bundle that is what its signer signed.

    `signer` is a public key in hex. `known_signer` says whether it is among those that the caller trusts: without that
    a valid signature only proves that the folder is whole.
    """

    manifest: Manifest
    signer: str
    known_signer: bool


def verify(folder: Path, *, trusted: Collection[str] = ()) -> Verified:
    """Verify a bundle: every file listed, none missing or added, each with its digest and format, signature valid.

    Raises:
        BundleRefused: with the file that is wrong and, in `error_code`, how: `bundle_missing`, `bundle_incomplete`,
        `bundle_changed`, `bundle_unlisted`, `bundle_unsigned`, `bundle_path`, `bundle_format`.
    """
    found = _files(folder)
    raw = _read_fixed(folder, found, Layout.MANIFEST, "bundle_incomplete")
    signature = _read_fixed(folder, found, Layout.SIGNATURE, "bundle_unsigned")
    signer = check_signature(raw, signature)
    manifest = _decode(raw)
    for name in sorted(manifest.files):
        check_name(name)
    unlisted = sorted(found - manifest.files.keys() - {Layout.MANIFEST, Layout.SIGNATURE})
    if unlisted:
        raise BundleRefused(f"{unlisted[0]} is not listed in the manifest", code="bundle_unlisted")
    for name in (*REQUIRED, *sorted(manifest.files)):
        if name not in found or name not in manifest.files:
            raise BundleRefused(f"{name} is missing", code="bundle_incomplete")
    for name, digest in sorted(manifest.files.items()):
        content = read_regular(folder, name)
        if hashlib.sha256(content).hexdigest() != digest:
            raise BundleRefused(f"{name} is not the file that was signed", code="bundle_changed")
        check_content(name, content)
        if name == Layout.DATA and dataset_digest(content) != manifest.dataset_digest:
            raise BundleRefused(f"{name} is not the data set that the manifest names", code="bundle_changed")
    if manifest.student_id != student_id(manifest):
        raise BundleRefused("the student's id does not follow from its files", code="bundle_changed")
    return Verified(manifest, signer, signer in trusted)


def read_manifest(folder: Path) -> Manifest:
    """Read a bundle's manifest, for display. Verifies nothing.

    Raises:
        BundleRefused: there is none, or it cannot be read.
    """
    return _decode(_read_fixed(folder, {Layout.MANIFEST}, Layout.MANIFEST, "bundle_incomplete"))


def read_contract(folder: Path) -> Contract:
    """Read a bundle's contract. Verifies nothing.

    Raises:
        BundleRefused: there is none, or it cannot be read.
    """
    try:
        return msgspec.json.decode(read_regular(folder, Layout.CONTRACT), type=Contract)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BundleRefused(f"{Layout.CONTRACT} cannot be read", code="bundle_format") from None


def read_regular(folder: Path, name: str) -> bytes:
    """Read one file of a bundle, without following a link that took its place.

    Raises:
        BundleRefused: it is missing, or no regular file.
    """
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BundleRefused(f"{name} is not a regular file", code="bundle_path")
            return file.read()
    except OSError:
        raise BundleRefused(f"{name} is missing or cannot be read", code="bundle_incomplete") from None


def _decode(raw: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BundleRefused(f"{Layout.MANIFEST} cannot be read", code="bundle_format") from None
    if manifest.schema != SCHEMA:
        raise BundleRefused(
            f"{Layout.MANIFEST} has schema {manifest.schema[:40]!r}, this version reads {SCHEMA!r}",
            code="bundle_format",
        )
    return manifest


def _read_fixed(folder: Path, found: Collection[str], name: str, code: str) -> bytes:
    if name not in found:
        raise BundleRefused(f"{name} is missing", code=code)
    content = read_regular(folder, name)
    if len(content) > _MAX_MANIFEST_BYTES:
        raise BundleRefused(f"{name} is larger than {_MAX_MANIFEST_BYTES:,} bytes", code="bundle_format")
    return content


def _files(folder: Path) -> set[str]:
    """Every file below `folder` as a relative path; anything that is neither file nor folder is refused."""
    if not folder.is_dir():
        raise BundleRefused(
            f"{folder} is not a folder", code="bundle_missing", hint="freehold export TASK DIR makes a bundle"
        )
    found: set[str] = set()
    seen: set[str] = set()
    pending = [(folder, "")]
    while pending:
        current, prefix = pending.pop()
        with os.scandir(current) as entries:
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append((current / entry.name, f"{name}/"))
                    continue
                if not entry.is_file(follow_symlinks=False):
                    raise BundleRefused(f"{name} is a link or a device, not a file", code="bundle_path")
                check_name(name)
                if name.lower() in seen:
                    raise BundleRefused(f"{name} differs from another file only in case", code="bundle_path")
                seen.add(name.lower())
                found.add(name)
        if len(found) > MAX_FILES:
            raise BundleRefused(f"the folder holds more than {MAX_FILES} files", code="bundle_format")
    return found
