"""Making bundles: write one, add evidence to one, copy one out."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from freehold.errors import BundleRefused, UsageError
from freehold.vocabulary import Certificate, Contract, Manifest

from ._cards import LICENSES_TEXT, data_card, model_card
from ._data import dataset_digest, decode_examples
from ._formats import Layout, check_content, check_name
from ._identity import SCHEMA, student_id
from ._signing import sign
from ._verify import REQUIRED, Verified, read_regular, verify

__all__ = ["SCHEMA", "add_evidence", "compose", "export", "recover", "student_id", "write"]


def write(folder: Path, draft: Manifest, files: Mapping[str, bytes], signing_key: Ed25519PrivateKey) -> Manifest:
    """Write a new, signed bundle and return its manifest.

    The folder appears whole or not at all.

    Args:
        folder: where; must not exist yet. `compose` tells the student's id where the folder is to be named by it.
        draft: the manifest; `schema`, `student_id`, `dataset_digest` and `files` are filled in and may be "" or {}.
        files: content by path inside the bundle: the student's own files, `contract.json` and `data/train.jsonl.gz`
            (see `encode_examples`). `card.md`, `data_card.md` and `LICENSES` are rendered where they are not given.
        signing_key: see `signing_key(home)`.

    Raises:
        BundleRefused: a file may not be in a bundle, or a needed one is missing.
        UsageError: `folder` exists.
    """
    manifest, content = compose(draft, files)
    _publish(folder, content, signing_key)
    return manifest


def compose(draft: Manifest, files: Mapping[str, bytes]) -> tuple[Manifest, dict[str, bytes]]:
    """Complete a draft: the manifest that `write` would sign, and every file except the signature.

    This tells the student's id before the folder's name must be chosen.

    Raises:
        BundleRefused: a file may not be in a bundle, or a needed one is missing.
    """
    for name in (Layout.CONTRACT, Layout.DATA):
        if name not in files:
            raise BundleRefused(f"{name} is missing", code="bundle_incomplete")
    if not any(Layout.is_model_file(name) for name in files):
        raise BundleRefused("the student has no files", code="bundle_incomplete")
    for name, content in files.items():
        if name in (Layout.MANIFEST, Layout.SIGNATURE):
            raise BundleRefused(f"{name} is written by the bundle itself", code="bundle_path")
        check_name(name)
        check_content(name, content)
    digest = dataset_digest(files[Layout.DATA])
    manifest = msgspec.structs.replace(draft, schema=SCHEMA, dataset_digest=digest, files=_digests(files))
    manifest = msgspec.structs.replace(manifest, student_id=student_id(manifest))
    return _with_cards(manifest, dict(files), keep=files)


def add_evidence(folder: Path, certificate: Certificate, signing_key: Ed25519PrivateKey) -> Manifest:
    """Add a certificate to a bundle: a newly signed manifest over the same student.

    The student's id, weights and data stay as they are; the card is rendered anew. The folder is exchanged as a whole.
    If the process dies between the two renames, the earlier bundle lies beside it under `.NAME.earlier` and the next
    call puts it back.

    Raises:
        BundleRefused: the bundle does not verify, or the certificate is another student's.
    """
    recover(folder)
    earlier = _earlier(folder)
    manifest = verify(folder).manifest
    if certificate.student_id != manifest.student_id:
        raise BundleRefused("the certificate is another student's", code="bundle_evidence")
    files = {name: read_regular(folder, name) for name in manifest.files}
    name = f"{Layout.EVIDENCE}{hashlib.sha256(certificate.id.encode()).hexdigest()[:16]}.json"
    files[name] = msgspec.json.format(msgspec.json.encode(certificate)) + b"\n"
    manifest, files = _with_cards(manifest, files, keep=(Layout.DATA_CARD, Layout.LICENSES))
    fresh = _build(folder.parent, files, signing_key)
    shutil.rmtree(earlier, ignore_errors=True)
    folder.rename(earlier)
    fresh.rename(folder)
    shutil.rmtree(earlier)
    return manifest


def recover(folder: Path) -> None:
    """Put a bundle back that a crash left under its other name, between the two renames of `add_evidence`."""
    earlier = _earlier(folder)
    if earlier.is_dir() and not folder.exists():
        earlier.rename(folder)


def _earlier(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.earlier")


def export(bundle: Path, directory: Path) -> Verified:
    """Copy a verified bundle to `directory`, which must not exist or be empty, and verify the copy.

    Raises:
        BundleRefused: the bundle does not verify.
        UsageError: `directory` holds something already.
    """
    manifest = verify(bundle).manifest
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} exists and is not empty", hint="name a new folder")
    directory.mkdir(parents=True, exist_ok=True)
    for name in (*manifest.files, Layout.MANIFEST, Layout.SIGNATURE):
        write_file(directory / name, read_regular(bundle, name))
    return verify(directory)


def _with_cards(
    manifest: Manifest, files: dict[str, bytes], keep: Mapping[str, bytes] | tuple[str, ...]
) -> tuple[Manifest, dict[str, bytes]]:
    """Render the cards that are not kept, and list every file with its digest."""
    try:
        contract = msgspec.json.decode(files[Layout.CONTRACT], type=Contract)
        certificates = [
            msgspec.json.decode(content, type=Certificate)
            for name, content in sorted(files.items())
            if name.startswith(Layout.EVIDENCE)
        ]
    except msgspec.ValidationError:
        raise BundleRefused("the contract or a certificate cannot be read", code="bundle_format") from None
    if Layout.CARD not in keep:
        files[Layout.CARD] = model_card(manifest, contract, certificates).encode()
    if Layout.DATA_CARD not in keep:
        files[Layout.DATA_CARD] = data_card(manifest, decode_examples(files[Layout.DATA])).encode()
    if Layout.LICENSES not in keep:
        files[Layout.LICENSES] = LICENSES_TEXT.encode()
    manifest = msgspec.structs.replace(manifest, files=_digests(files))
    files.pop(Layout.MANIFEST, None)
    return manifest, {**files, Layout.MANIFEST: msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"}


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}


def _publish(folder: Path, content: Mapping[str, bytes], key: Ed25519PrivateKey) -> None:
    if folder.exists():
        raise UsageError(f"{folder} exists; a bundle is never overwritten", code="bundle_exists")
    fresh = _build(folder.parent, content, key)
    try:
        fresh.rename(folder)
    except OSError:
        shutil.rmtree(fresh)
        raise UsageError(f"{folder} exists; a bundle is never overwritten", code="bundle_exists") from None


def _build(parent: Path, content: Mapping[str, bytes], key: Ed25519PrivateKey) -> Path:
    """Write a complete bundle beside its later place, verify it as a reader would, and return the folder."""
    parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=parent, prefix=".bundle-"))
    try:
        fresh.chmod(0o755)
        for name in sorted(content):
            write_file(fresh / name, content[name])
        write_file(fresh / Layout.SIGNATURE, sign(content[Layout.MANIFEST], key))
        assert set(REQUIRED) <= content.keys()
        verify(fresh)
    except BaseException:
        shutil.rmtree(fresh)
        raise
    return fresh


def write_file(path: Path, content: bytes) -> None:
    """Write one file of a bundle, with the folders above it; returns once it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
