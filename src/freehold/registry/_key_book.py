"""The keys' part of the registry: who may call, until when, for how much."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from freehold.errors import NotFound, UsageError
from freehold.vocabulary import VirtualKey

from . import _rows, keys
from ._database import now
from ._opened import Opened, log

_LONGEST_NAME = 64


class KeyBook(Opened):
    """Virtual keys."""

    def virtual_keys(self) -> tuple[VirtualKey, ...]:
        """Every key that was ever made, oldest first."""
        with self._db.read() as connection:
            return _rows.virtual_keys(connection)

    def add_virtual_key(self, wanted: VirtualKey, *, by: str) -> tuple[VirtualKey, str]:
        """Make a key of that name with those limits; `id`, `digest` and `created_at` are given here.

        A name is used once and never again, so that what was recorded under it stays one key's.

        Returns:
            The key as it is kept, and the key itself, which nobody can be shown again.

        Raises:
            UsageError: the name is taken, or none.
            MissingPrerequisite: there are keys, and the pepper that they were made with is gone.
            ConfigurationError: the pepper can be read by others, or is not as it was made.
            OSError: the disk refuses.
        """
        check_name(wanted.name)
        with self._change() as connection:
            there = _rows.virtual_keys(connection)
            if any(one.name == wanted.name for one in there):
                raise UsageError(f"there is or was a key {wanted.name}", hint="choose a name that was never used")
            pepper = keys.pepper(self.home) if _needed(there) else keys.made_pepper(self.home)
            secret = keys.new_key()
            key = msgspec.structs.replace(
                wanted,
                id=f"key_{secrets.randbits(62) + 1:016x}",
                digest=keys.digest(pepper, secret.encode()).hex(),
                created_at=now(),
                revoked_at="",
            )
            _rows.add_virtual_key(connection, key, by)
            log(connection, by, "key.created", key.name, **_allowed(key))
        return key, secret

    def revoke_virtual_key(self, name: str, *, by: str, reason: str = "") -> VirtualKey:
        """Take a key back; nothing it is used for afterwards is answered. Doing it again changes nothing.

        Raises:
            NotFound: there is no key of that name.
        """
        with self._change() as connection:
            for key in _rows.virtual_keys(connection):
                if key.name == name:
                    break
            else:
                raise NotFound(f"there is no key {name}", hint="freehold keys list")
            if not key.revoked_at:
                key = msgspec.structs.replace(key, revoked_at=now())
                _rows.replace_virtual_key(connection, key)
                log(connection, by, "key.revoked", key.name, reason, id=key.id)
        return key


def check_name(name: str) -> None:
    """Refuse what is no name for a key.

    Raises:
        UsageError: it is empty or long, holds what cannot be printed, or looks like a key itself.
    """
    if not name.strip() or name != name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise UsageError(
            f"a key's name has 1 to {_LONGEST_NAME} printable characters, and no space at its ends",
            hint="freehold keys create my-service",
        )
    if name.startswith(keys.PREFIX):
        # It may be a key that slipped into the wrong place: it is not repeated.
        raise UsageError(f"a key's name does not begin with {keys.PREFIX}", hint="freehold keys list")


def _needed(there: tuple[VirtualKey, ...]) -> bool:
    """Whether a pepper must exist: a new one would make every key that is valid worthless without a word."""
    return any(not one.revoked_at for one in there)


def _allowed(key: VirtualKey) -> dict[str, Any]:
    """What a key is for, for the audit log: all but its digest and its name, which is the entry's subject."""
    fields: dict[str, Any] = msgspec.to_builtins(key)
    return {name: value for name, value in fields.items() if name not in {"digest", "name"}}
