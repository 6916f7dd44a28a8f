"""The data keys of a ledger's files, without loading a cipher where nothing is encrypted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._layout import Layout
from ._places import settings_of

if TYPE_CHECKING:
    from ._vault import DataKey


def new_key(layout: Layout) -> tuple[str, DataKey | None]:
    """A key for a file that is about to be written, wrapped for the manifest and bare; "" and None for none.

    Raises:
        ConfigurationError, MissingPrerequisite: bodies are to be encrypted, and the master key cannot be had.
    """
    settings = settings_of(layout)
    if not (settings.encryption_key_env or settings.encryption_key_file):
        return "", None
    from ._vault import vault_of

    return vault_of(layout).new()


def data_key(layout: Layout, wrapped: str) -> DataKey | None:
    """The key of a file, as its listing has it; None where its bodies are not encrypted.

    Raises:
        LedgerUnavailable: they are, and the master key for it is not there.
        ConfigurationError, MissingPrerequisite: the master key cannot be had.
    """
    if not wrapped:
        return None
    from ._vault import vault_of

    return vault_of(layout).open(wrapped)
