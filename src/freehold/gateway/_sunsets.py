"""What providers say of the end of their models in the headers of answers: noted once, in `sunsets.json` in the home.

`Sunset` (RFC 8594) holds the day from which on the resource may be gone, `Deprecation` (RFC 9745) the day from which on
it is advised against. `freehold models --risk` reads the file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import threading
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import msgspec

from freehold import files
from freehold.market.sunsets import FILE_NAME, Sunset, read

from ._exchange import Headers

_MOST = 1000
_NAME_CHARS = 200
_LINK = re.compile(r"<(https?://[^>\s]{1,300})>[^,]*rel=\"?(?:sunset|deprecation)\"?", re.IGNORECASE)


class Sunsets:
    """Notes of one gateway process. Safe beside other processes that write the same file.

    `note` costs a look at the names of the headers; a file is written only when a model says something new.
    """

    def __init__(self, home: Path) -> None:
        self._file = home / FILE_NAME
        self._noted: dict[tuple[str, str], tuple[bytes, bytes]] = {}
        self._writing: threading.Thread | None = None
        self._waiting: list[Sunset] = []
        self._lock = threading.Lock()

    def note(self, provider: str, model: str, headers: Headers) -> bool:
        """Note what an answer's headers say; True where that is new. Never blocks, never raises.

        Of a model's several statements the latest holds. At most a thousand models are kept in mind, since clients name
        them.
        """
        sunset = deprecation = link = b""
        for name, value in headers:
            if name == b"sunset":
                sunset = value
            elif name == b"deprecation":
                deprecation = value
            elif name == b"link":
                link = value
        if not sunset and not deprecation:
            return False
        key = (provider, model[:_NAME_CHARS])
        if self._noted.get(key) == (sunset, deprecation) or (key not in self._noted and len(self._noted) >= _MOST):
            return False
        self._noted[key] = (sunset, deprecation)
        one = Sunset(*key, _day(sunset), _deprecated(deprecation), _link(link), _now())
        if not one.sunset and not one.deprecated:
            return False
        with self._lock:
            self._waiting.append(one)
            if self._writing is None:
                self._writing = threading.Thread(target=self._write, name="freehold-sunsets", daemon=True)
                self._writing.start()
        return True

    def settle(self, timeout_s: float = 5.0) -> None:
        """Wait until what was noted is written, or cannot be."""
        thread = self._writing
        if thread is not None:
            thread.join(timeout_s)

    def _write(self) -> None:
        while True:
            with self._lock:
                some, self._waiting = self._waiting, []
                if not some:
                    self._writing = None
                    return
            # A home that cannot be written loses a note; the next process that is told so tries again.
            with contextlib.suppress(OSError):
                _merge(self._file, some)


def _merge(file: Path, some: list[Sunset]) -> None:
    lock = os.open(file.with_name(f".{file.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = {(one.provider, one.model): one for one in read(file.parent)}
        for one in some:
            before = known.get((one.provider, one.model))
            if before is None or msgspec.structs.replace(before, seen_at=one.seen_at) != one:
                known[one.provider, one.model] = one
        content = msgspec.json.format(msgspec.json.encode(list(known.values())[-_MOST:]))
        files.replace(file, content, mode=0o644)
    finally:
        os.close(lock)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _day(value: bytes) -> str:
    """The day of a header's date: an HTTP-date, a structured `@seconds`, or ISO 8601; "" where it is none."""
    text = value.decode("latin-1").strip()
    with contextlib.suppress(ValueError, OverflowError, OSError):
        if text.startswith("@"):
            return datetime.fromtimestamp(int(text[1:]), UTC).date().isoformat()
        if text[:4].isdigit():
            return datetime.fromisoformat(text).date().isoformat()
        return parsedate_to_datetime(text).astimezone(UTC).date().isoformat()
    return ""


def _deprecated(value: bytes) -> str:
    text = value.decode("latin-1").strip().lower()
    if not text or text in ("false", "?0"):
        return ""
    return _day(value) or "yes"


def _link(value: bytes) -> str:
    found = _LINK.search(value.decode("latin-1"))
    return found.group(1) if found else ""
