"""`freehold up` where its words are plain: the gateway is waited for, and needs no parser to be loaded first.

Whatever is not told here in so many words (help, an abbreviation, a value out of its range) is the parser's: it
knows the same options and says what is wrong. What this reads, it reads as the parser does; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

_MOST = {"port": (0, 65535), "workers": (1, 256)}


class Given(TypedDict, total=False):
    """The options of `freehold up`."""

    host: str
    port: int
    workers: int


def plain(words: Sequence[str]) -> Given | None:
    """The options of `up --port N --host ADDRESS --workers N`, each at most once; None where there is anything else."""
    if not words or words[0] != "up" or len(words) % 2 == 0:
        return None
    given: Given = {}
    for name, value in zip(words[1::2], words[2::2], strict=True):
        option = name.removeprefix("--")
        if option in given or option == name or value.startswith("-"):
            return None
        if option == "host":
            given["host"] = value
        elif option == "port" or option == "workers":  # noqa: PLR1714 -- so that the type checker follows
            least, most = _MOST[option]
            if not (value.isascii() and value.isdecimal() and least <= int(value[:9]) <= most) or len(value) > 9:
                return None
            given[option] = int(value)
        else:
            return None
    return given


def up(words: Sequence[str]) -> None:
    """Give way to the gateway where the words ask for it plainly; else return."""
    given = plain(words)
    if given is None:
        return
    from freehold.services import starting

    try:
        starting.become(**given)
    except OSError:
        return  # the way with the parser meets the same, and says it
