"""What providers said of the end of their models in the headers of answers, as a gateway noted it in the home."""

from __future__ import annotations

from pathlib import Path

import msgspec

FILE_NAME = "sunsets.json"


class Sunset(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the answers of one model said.

    `provider` is the user's name of it. `sunset` and `deprecated` are days (ISO 8601); `deprecated` is "yes" where the
    header states none. `link`: where the provider says more. `seen_at`: when an answer first said so (UTC).
    """

    provider: str
    model: str
    sunset: str = ""
    deprecated: str = ""
    link: str = ""
    seen_at: str = ""


def read(home: Path) -> tuple[Sunset, ...]:
    """Everything that was noted; empty where nothing was, or the file cannot be read."""
    try:
        return msgspec.json.decode((home / FILE_NAME).read_bytes(), type=tuple[Sunset, ...])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return ()
