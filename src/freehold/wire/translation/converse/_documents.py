"""Documents as Bedrock wants them: a format by its short name, and a name of few characters that occurs once."""

from __future__ import annotations

import re

from freehold.wire.translation._urls import DOCUMENT_TYPES

_FORMATS = {media_type: ending for ending, media_type in DOCUMENT_TYPES.items()}
_REFUSED = re.compile(r"[^a-zA-Z0-9\s()\[\]-]+")
_SPACES = re.compile(r"\s+")
_NAME_CHARS = 190


def document_format(media_type: str) -> str | None:
    """What Bedrock calls a document of this media type, or None where it reads none."""
    return _FORMATS.get(media_type)


class DocumentNames:
    """Names for the documents of one request."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, title: str) -> str:
        """A name that Bedrock accepts, as near to the title as may be, and unlike those taken before."""
        stem = _SPACES.sub(" ", _REFUSED.sub(" ", title)).strip()[:_NAME_CHARS] or "document"
        name, number = stem, 1
        while name in self._taken:
            number += 1
            name = f"{stem} {number}"
        self._taken.add(name)
        return name
