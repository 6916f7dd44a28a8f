"""Encryption of bodies at rest: AES-256-GCM (NIST SP 800-38D) under a data key per file, wrapped by a master key.

What is encrypted is what was asked and answered: request, response, and the answers of legs. What the bodies are worth
stays readable: numbers, names, tags, gold and feedback. The master key comes from the environment or a file outside the
home and is never written; data keys stand, wrapped, in the manifest alone, so that changing the master key touches no
file of calls, and a key that is forgotten there is gone with all it protected.

It protects copies of the disk, backups and buckets. It does not protect from somebody who can read the memory or the
environment of a process that holds the key, and it hides neither how long a body is nor that there is one.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from freehold.errors import ConfigurationError, LedgerUnavailable, MissingPrerequisite
from freehold.settings import LedgerSettings

from ._layout import Layout
from ._places import Hopeless, settings_of
from ._rows import BODIES, ID, NAMES, Row

KEY_BYTES = 32
_NONCE_BYTES = 12
_LEGS = NAMES.index("legs")
_REQUEST = len(NAMES)
_RESPONSE = _REQUEST + 1
_MAKE = "openssl rand -base64 32 makes one"

Transform = Callable[[bytes], bytes]

_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode
_encode = msgspec.json.Encoder().encode


def _as_it_is(body: bytes) -> bytes:
    return body


class DataKey:
    """The key of one file's bodies. Each body is bound to its call and its column: moved elsewhere it does not open.

    Nonces are random; a file holds far fewer bodies than the 2^32 for which that is safe. An empty body stays empty.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def hide_bodies(self, call_id: str, request: bytes, response: bytes, pack: Transform = _as_it_is) -> list[bytes]:
        """Both bodies encrypted; `pack` compresses what goes in."""
        return [
            self._hide(pack(body), f"{column}/{call_id}") if body else b""
            for column, body in zip(BODIES, (request, response), strict=True)
        ]

    def hide_legs(self, call_id: str, legs: str) -> str:
        """The column `legs` with its answers encrypted, as base64."""
        return self._legs(call_id, legs, lambda text, about: base64.b64encode(self._hide(text, about)))

    def hide(self, row: Row, pack: Transform = _as_it_is) -> Row:
        """A row of `NAMES` and `BODIES`, hidden."""
        call_id = row[ID]
        bodies = self.hide_bodies(call_id, row[_REQUEST], row[_RESPONSE], pack)
        return (*row[:_LEGS], self.hide_legs(call_id, row[_LEGS]), *row[_LEGS + 1 : _REQUEST], *bodies)

    def show(self, row: Row, unpack: Transform = _as_it_is) -> Row:
        """The row that was hidden.

        Raises:
            LedgerUnavailable: it was changed, or moved here from another call.
        """
        call_id = row[ID]
        try:
            bodies = [
                unpack(self._show(body, f"{column}/{call_id}")) if body else b""
                for column, body in zip(BODIES, row[_REQUEST:], strict=True)
            ]
            legs = self._legs(call_id, row[_LEGS], lambda text, about: self._show(base64.b64decode(text), about))
        except (InvalidTag, binascii.Error):
            raise LedgerUnavailable(
                f"an encrypted body of {call_id} was changed since it was written", hint="freehold doctor"
            ) from None
        return (*row[:_LEGS], legs, *row[_LEGS + 1 : _REQUEST], *bodies)

    def hide_text(self, text: bytes, about: str) -> bytes:
        """Anything else that a file holds, bound to what it is."""
        return self._hide(text, about)

    def show_text(self, hidden: bytes, about: str) -> bytes:
        """What `hide_text` hid.

        Raises:
            LedgerUnavailable: it was changed.
        """
        try:
            return self._show(hidden, about)
        except InvalidTag:
            raise LedgerUnavailable("an encrypted file was changed", hint="freehold doctor") from None

    def _legs(self, call_id: str, legs: str, change: Callable[[bytes, str], bytes]) -> str:
        if '"answer"' not in legs:
            return legs
        decoded = _decode(legs)
        for number, leg in enumerate(decoded):
            if isinstance(answer := leg.get("answer"), str):
                leg["answer"] = change(answer.encode(), f"leg {number}/{call_id}").decode()
        return _encode(decoded).decode()

    def _hide(self, text: bytes, about: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text, about.encode())

    def _show(self, hidden: bytes, about: str) -> bytes:
        return self._cipher.decrypt(hidden[:_NONCE_BYTES], hidden[_NONCE_BYTES:], about.encode())


class Vault:
    """The master keys: the first wraps what is new, all of them unwrap. With none, nothing is encrypted."""

    def __init__(self, masters: Sequence[bytes] = ()) -> None:
        self._masters = {_name(key): AESGCM(key) for key in masters}
        self._current = next(iter(self._masters), "")
        self.open = lru_cache(maxsize=4096)(self._unwrapped)

    def new(self) -> tuple[str, DataKey | None]:
        """A fresh data key with its wrapped form; "" and None where nothing is to be encrypted."""
        if not self._current:
            return "", None
        key = AESGCM.generate_key(8 * KEY_BYTES)
        return self._wrapped(key), DataKey(key)

    def rewrapped(self, wrapped: str) -> str:
        """The same data key under the current master key; as it is where it is that already.

        Raises:
            LedgerUnavailable: there is no master key, or none that opens it.
        """
        if wrapped.partition(":")[0] == self._current:
            return wrapped
        if not self._current:
            raise _missing(wrapped)
        return self._wrapped(self._key(wrapped))

    def _wrapped(self, key: bytes) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        hidden = self._masters[self._current].encrypt(nonce, key, self._current.encode())
        return f"{self._current}:{base64.b64encode(nonce + hidden).decode()}"

    def _unwrapped(self, wrapped: str) -> DataKey:
        """The data key of a file.

        Raises:
            LedgerUnavailable: no master key is set, or another than the one it was wrapped with.
        """
        return DataKey(self._key(wrapped))

    def _key(self, wrapped: str) -> bytes:
        name, _, hidden = wrapped.partition(":")
        if name not in self._masters:
            raise _wrong(name, list(self._masters)) if self._masters else _missing(wrapped)
        raw = base64.b64decode(hidden)
        try:
            return self._masters[name].decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], name.encode())
        except InvalidTag:
            raise LedgerUnavailable(
                "a data key in the manifest was changed", hint="restore ledger/manifest.db from a backup"
            ) from None


def vault_of(layout: Layout) -> Vault:
    """The keys that the settings name. Without any, a vault that encrypts nothing and opens nothing.

    Raises:
        ConfigurationError: what is named holds no key, or lies within the home.
        MissingPrerequisite: what is named is not there, or the extra is not installed.
    """
    settings = settings_of(layout)
    masters = [key for key in (_current(layout, settings), _previous(layout, settings)) if key is not None]
    if masters and find_spec("zstandard") is None:
        raise MissingPrerequisite(
            "bodies are to be encrypted, and the extra that it takes is not installed",
            hint="pip install 'freehold[zstd]'",
            code="missing_extra",
        )
    return _kept(tuple(masters))


@lru_cache(maxsize=8)
def _kept(masters: tuple[bytes, ...]) -> Vault:
    return Vault(masters)


def _current(layout: Layout, settings: LedgerSettings) -> bytes | None:
    return _read(layout, "encryption_key", settings.encryption_key_env, settings.encryption_key_file)


def _previous(layout: Layout, settings: LedgerSettings) -> bytes | None:
    names = settings.encryption_previous_key_env, settings.encryption_previous_key_file
    return _read(layout, "encryption_previous_key", *names)


def _read(layout: Layout, setting: str, variable: str, file: str) -> bytes | None:
    if variable:
        text = os.environ.get(variable, "")
        if not text:
            raise MissingPrerequisite(
                f"bodies are encrypted with a key in {variable}, and it is not set",
                hint=f"export {variable}=...; {_MAKE}",
                code="ledger_key_missing",
            )
        return _parsed(text.encode(), f"the variable {variable}")
    if not file:
        return None
    path = Path(file).expanduser()
    if path.resolve().is_relative_to(layout.root.parent.resolve()):
        raise ConfigurationError(
            f"ledger.{setting}_file lies within the home: whoever copies the home would have the key too",
            hint="move it elsewhere, to where secrets are mounted, say",
        )
    try:
        return _parsed(path.read_bytes(), f"the file {file}")
    except OSError as error:
        raise MissingPrerequisite(
            f"bodies are encrypted with a key in {file}, and it cannot be read: {error.strerror}",
            hint=f"check that it is there and may be read; {_MAKE}",
            code="ledger_key_missing",
        ) from None


def _parsed(text: bytes, where: str) -> bytes:
    """32 bytes: as they are, as base64, or as hexadecimal digits."""
    if len(text) == KEY_BYTES:
        return text
    stripped = text.strip()
    for decode in (binascii.unhexlify, _of_base64):
        with contextlib.suppress(ValueError):
            key = decode(stripped)
            if len(key) == KEY_BYTES:
                return key
    raise ConfigurationError(f"{where} holds no key of {KEY_BYTES} bytes, in base64 or hexadecimal digits", hint=_MAKE)


def _of_base64(text: bytes) -> bytes:
    return base64.b64decode(text, validate=True)


def _name(master: bytes) -> str:
    """What a master key is called where one must tell which it was; says nothing of the key."""
    return hashlib.sha256(b"freehold ledger key\0" + master).hexdigest()[:16]


def _missing(wrapped: str) -> Hopeless:
    name = wrapped.partition(":")[0]
    return Hopeless(
        f"bodies are encrypted with the key {name}, and no key is set",
        hint="set ledger.encryption_key_env or encryption_key_file (docs/privacy.md)",
        code="ledger_key_missing",
    )


def _wrong(name: str, there: Sequence[str]) -> Hopeless:
    return Hopeless(
        f"bodies are encrypted with the key {name}, and what is set is the key {' and '.join(there)}",
        hint="set ledger.encryption_previous_key_env or _file to the old key, then: freehold log rekey",
        code="ledger_key_wrong",
    )
