"""Requests and answers of one dialect in another: clients of one format served by models of another.

What a translation cannot carry is refused or reported, never dropped silently: docs/translation.md has the table.
"""

from ._facts import DEFAULT_MAX_TOKENS
from ._pairs import translation
from ._told import streamed_status
from ._types import Remembered, StreamTranslator, Translated, Translation

__all__ = [
    "DEFAULT_MAX_TOKENS",
    "Remembered",
    "StreamTranslator",
    "Translated",
    "Translation",
    "streamed_status",
    "translation",
]
