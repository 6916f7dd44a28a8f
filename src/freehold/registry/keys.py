"""`keys.json`: the virtual keys that the gateway accepts, as digests, replaced by rename and read without a database.

A key is 32 random bytes in URL-safe base 64 behind `fh-`. What is kept of it is its HMAC-SHA-256 (RFC 2104) under a
secret of this home, the pepper: neither `keys.json` nor `control.db` alone lets anybody test a guess, and with 256
random bits there is nothing to guess. The pepper lies beside the signing key, readable by its owner alone; whoever
loses it loses every key.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from freehold import files
from freehold.errors import ConfigurationError, MissingPrerequisite
from freehold.vocabulary import KeyTable

from . import _published

FILE_NAME: Final = "keys.json"
PEPPER_FILE: Final = "keys/virtual.pepper"
PREFIX: Final = "fh-"
_PEPPER_BYTES: Final = 32

_decoder = msgspec.json.Decoder(KeyTable)


def path(home: Path) -> Path:
    """Where the keys of `home` lie."""
    return home / FILE_NAME


def load(file: Path) -> KeyTable:
    """Read the keys; an empty table of version 0 where none was ever made.

    Raises:
        MissingPrerequisite: the file cannot be read as keys. A reader that holds an earlier table keeps it.
    """
    return _published.load(file, _decoder, empty=KeyTable(0), what="virtual keys", code="keys_unreadable")


def write(file: Path, table: KeyTable) -> None:
    """Replace the keys by rename. The caller holds the registry's lock and has raised `version`.

    Raises:
        OSError: the disk refuses; the earlier table stays.
    """
    _published.replace(file, table, mode=0o600)


def new_key() -> str:
    """A key that nobody has."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(pepper: bytes, key: bytes) -> bytes:
    """What is kept of a key."""
    return hmac.digest(pepper, key, "sha256")


def digester(pepper: bytes) -> Callable[[bytes], bytes]:
    """The same for many keys, with the pepper taken in once: every call at the gateway asks for one."""
    begun = hmac.new(pepper, digestmod="sha256")

    def digest_of(key: bytes) -> bytes:
        one = begun.copy()
        one.update(key)
        return one.digest()

    return digest_of


def pepper(home: Path) -> bytes:
    """The pepper of this home, which must exist.

    Raises:
        MissingPrerequisite: it does not exist.
        ConfigurationError: it can be read by others, or is not as it was made.
    """
    file = home / PEPPER_FILE
    try:
        content, mode = file.read_bytes(), file.stat().st_mode
    except OSError as error:
        raise MissingPrerequisite(
            f"{file} cannot be read ({error.strerror}): without it no virtual key can be told from a guess",
            hint=f"restore {file} from a backup, or revoke every key and make new ones",
            code="keys_unreadable",
        ) from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigurationError(f"{file} can be read by others", hint=f"chmod 600 {file}")
    if len(content) != _PEPPER_BYTES:
        raise ConfigurationError(f"{file} is not as it was made", hint=f"restore {file} from a backup")
    return content


def made_pepper(home: Path) -> bytes:
    """The pepper of this home, made where there is none yet.

    Raises:
        ConfigurationError: it can be read by others, or is not as it was made.
        OSError: the disk refuses.
    """
    file = home / PEPPER_FILE
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.make_once(file, secrets.token_bytes(_PEPPER_BYTES))
    return pepper(home)
