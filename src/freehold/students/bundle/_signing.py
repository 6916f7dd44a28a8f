"""Keys and signatures: Ed25519 over the manifest's bytes, and whose signatures this home trusts.

A home makes one signing key for itself, once. It trusts its own signatures and those of the public keys that a person
put into `keys/trusted/`. Does not know revocation: removing a file from there is how trust ends.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from freehold import files
from freehold.errors import BundleRefused, ConfigurationError, MissingPrerequisite

from ._formats import Layout

KEY_FILE: Final = "keys/signing.ed25519"
TRUSTED_FOLDER: Final = "keys/trusted"
_SCHEMA: Final = "freehold.signature/1"


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bundle's `signature.json`: Ed25519 over the bytes of `manifest.json`. Both values are lower-case hex."""

    schema: str
    algorithm: str
    public_key: str
    signature: str


def signing_key(home: Path) -> Ed25519PrivateKey:
    """The signing key of this home; made on first use, readable by its owner alone.

    Raises:
        ConfigurationError: the key can be read by others, or is no Ed25519 key.
    """
    path = home / KEY_FILE
    if not path.exists():
        _make_key(path)
    return load_signing_key(home)


def load_signing_key(home: Path) -> Ed25519PrivateKey:
    """The signing key of this home, which must exist.

    Raises:
        MissingPrerequisite: this home has no key yet.
        ConfigurationError: the key can be read by others, or is no Ed25519 key.
    """
    path = home / KEY_FILE
    try:
        content, mode = path.read_bytes(), path.stat().st_mode
    except FileNotFoundError:
        raise MissingPrerequisite(f"{path} does not exist", hint="freehold train TASK makes it") from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigurationError(f"{path} can be read by others", hint=f"chmod 600 {path}")
    try:
        key = load_pem_private_key(content, password=None)
    except ValueError:
        raise ConfigurationError(f"{path} is not a private key", hint="restore it from a backup") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{path} is not an Ed25519 key", hint="restore it from a backup")
    return key


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files.make_once(path, content)


def public_hex(key: Ed25519PrivateKey) -> str:
    """The public half of `key`, as hexadecimal text: how a signer is named."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def trusted_signers(home: Path) -> frozenset[str]:
    """The signers this home trusts: itself, and every line of the files `keys/trusted/*.pub` (hex public keys)."""
    signers: set[str] = set()
    if (home / KEY_FILE).exists():
        signers.add(public_hex(load_signing_key(home)))
    for path in sorted((home / TRUSTED_FOLDER).glob("*.pub")):
        signers.update(path.read_text("ascii", errors="replace").lower().split())
    return frozenset(signers)


def trust(home: Path, signer: str) -> Path:
    """Trust a signer from now on; returns the file whose removal ends that."""
    folder = home / TRUSTED_FOLDER
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True)
    file = folder / f"{signer[:16]}.pub"
    file.write_text(f"{signer}\n", "ascii")
    return file


def sign(manifest: bytes, key: Ed25519PrivateKey) -> bytes:
    """The content of `signature.json` for a manifest's bytes."""
    return msgspec.json.encode(Signature(_SCHEMA, "ed25519", public_hex(key), key.sign(manifest).hex())) + b"\n"


def check_signature(manifest: bytes, content: bytes) -> str:
    """Check `signature.json` against the manifest's bytes and return the signer.

    Raises:
        BundleRefused: it is not exactly one valid signature in canonical form, so that no byte of it can change unseen.
    """
    changed = BundleRefused(f"{Layout.SIGNATURE} does not sign {Layout.MANIFEST}", code="bundle_changed")
    try:
        signature = msgspec.json.decode(content, type=Signature)
        public, signed = bytes.fromhex(signature.public_key), bytes.fromhex(signature.signature)
        canonical = msgspec.json.encode(Signature(_SCHEMA, "ed25519", public.hex(), signed.hex())) + b"\n"
        if canonical != content:
            raise changed
        Ed25519PublicKey.from_public_bytes(public).verify(signed, manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, InvalidSignature, RecursionError):
        raise changed from None
    return public.hex()
