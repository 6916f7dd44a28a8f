"""When two names of a task are the same name. Light, so that the gateway asks the same question as the registry."""

from __future__ import annotations

from unicodedata import normalize
from urllib.parse import unquote_to_bytes

from freehold.settings import Loaded


def folded(name: str) -> str:
    """A name as it is compared: letter case, the way accents are encoded, and blanks around it do not count.

    Unicode's canonical caseless matching (The Unicode Standard, section 3.13, D145), composed in the end.
    """
    return normalize("NFC", normalize("NFD", name.strip()).casefold())


def from_header(value: bytes) -> str:
    """A name as it came in a header: percent-encoded or not, UTF-8 where it is that, else Latin-1."""
    raw = unquote_to_bytes(value)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def declared_ordinary(loaded: Loaded) -> list[str]:
    """The names whose `data_class` the settings set to "ordinary" in so many words, not by leaving it out.

    Only such a declaration lifts what was restricted before.
    """
    return [
        name
        for name, one in loaded.settings.tasks.items()
        if one.data_class == "ordinary" and f"tasks.{name}.data_class" in loaded.origin
    ]
