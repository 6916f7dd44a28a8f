"""Segments in an S3-compatible object store, through a bounded cache of whole files on this machine.

Why whole files and not ranges, and why this client: `design/ledger.md`. Needs `pip install 'freehold[s3]'`.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from freehold.errors import LedgerUnavailable, MissingPrerequisite
from freehold.settings import LedgerSettings

from ._layout import Layout
from ._places import Found, StoreUnreachable
from ._sqlite import Vanished

T = TypeVar("T")

_OWNER = "freehold-ledger"
_CONNECT_S = 5
_RETRIES = 3
_CHUNK_BYTES = 8 * 1024 * 1024
_IN_USE_S = 60.0
"""A cached file that was asked for within this time is being opened, and stays whatever the cache's bound."""
_LEFTOVERS_EVERY_S = 1800.0


class Objects:
    """Segments as objects under one prefix of a bucket.

    An object appears when its upload is whole, so a broken one publishes nothing. Its size is asked for after the
    upload and compared before every use.
    """

    def __init__(self, address: str, client: Any, cache: Path, cache_bytes: int) -> None:
        self._address = address
        self._client = client
        self._cache = cache
        self._cache_bytes = cache_bytes
        self._claimed = ""

    @property
    def address(self) -> str:
        """`s3://bucket/prefix`."""
        return self._address

    def claim(self, ledger: str) -> None:
        """Write the ledger's name beside the segments, once; a sweeper of another ledger would delete ours."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        if self._claimed == ledger:
            return

        def owner() -> str:
            try:
                obstore.put(self._client, _OWNER, ledger.encode(), mode="create")
            except AlreadyExistsError:
                return bytes(obstore.get(self._client, _OWNER).bytes()).decode("utf-8", "replace")
            return ledger

        if self._tried(owner) != ledger:
            raise LedgerUnavailable(
                f"{self._address} holds the segments of another ledger",
                hint="give each home a prefix of its own in ledger.segments",
                code="segments_of_another",
            )
        self._claimed = ledger

    def part(self, name: str) -> Path:
        """In the cache, where it stays as a copy once it is published."""
        self._cache.mkdir(parents=True, exist_ok=True)
        return self._cache / f"{name}.part"

    def put(self, name: str) -> None:
        """Upload it; an object is there whole or not at all."""
        import obstore

        part = self.part(name)
        self._tried(lambda: obstore.put(self._client, name, part, chunk_size=_CHUNK_BYTES))
        size, found = part.stat().st_size, self.size(name)
        if found != size:
            raise StoreUnreachable(
                f"{self._address} holds {found} bytes of {name} after {size} were sent", hint="freehold doctor"
            )
        part.rename(self._cache / name)
        self._make_room(name)

    def fetch(self, name: str, size: int) -> Path:
        """The copy on this machine, made now where there is none."""
        path = self._cache / name
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size == size:
                os.utime(path)
                return path
        self._cache.mkdir(parents=True, exist_ok=True)
        part = self._cache / f"{name}.{secrets.token_hex(4)}.part"
        try:
            self._tried(lambda: self._download(name, part))
            got = part.stat().st_size
            if got != size:
                raise Vanished(f"segment {name} has {got} bytes in {self._address}, the manifest says {size}")
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
        self._make_room(name)
        return path

    def forget(self, name: str) -> None:
        """Drop the copy."""
        (self._cache / name).unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        """Delete the object and the copy."""
        import obstore

        with contextlib.suppress(Vanished):
            self._tried(lambda: obstore.delete(self._client, name))
        self.forget(name)
        self.part(name).unlink(missing_ok=True)

    def size(self, name: str) -> int | None:
        """As the store says."""
        import obstore

        try:
            return int(self._tried(lambda: obstore.head(self._client, name))["size"])
        except Vanished:
            return None

    def leftovers(self) -> Iterator[Found]:
        """Files in the cache that are no copies, and every half hour the objects: listing them is paid for."""
        import obstore

        if not self._cache.exists():
            return
        for path in self._cache.glob("*.part"):
            yield Found(path.name, path.stat().st_mtime)
        stamp = self._cache / "listed"
        if stamp.exists() and stamp.stat().st_mtime > time.time() - _LEFTOVERS_EVERY_S:
            return
        listed = self._tried(lambda: [one for page in obstore.list(self._client) for one in page])
        for one in listed:
            if one["path"] != _OWNER:
                yield Found(one["path"], one["last_modified"].timestamp())
        stamp.touch()

    def _download(self, name: str, part: Path) -> None:
        import obstore

        with part.open("wb") as file:
            for chunk in obstore.get(self._client, name).stream(min_chunk_size=_CHUNK_BYTES):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())

    def _make_room(self, kept: str) -> None:
        """Remove the copies that were not asked for longest, until the rest fits."""
        copies = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self._cache.glob("*.parquet"))
        over = sum(size for _, size, _ in copies) - self._cache_bytes
        for used_s, size, path in copies:
            if over <= 0 or used_s > time.time() - _IN_USE_S:
                return
            if path.name != kept:
                path.unlink(missing_ok=True)
                over -= size

    def _tried(self, work: Callable[[], T]) -> T:
        """Do it, and say in one form what went wrong.

        Raises:
            Vanished: there is no such object.
            StoreUnreachable: anything else; the client has tried again by itself where that makes sense.
        """
        from obstore.exceptions import AlreadyExistsError, BaseError

        try:
            return work()
        except FileNotFoundError as error:
            raise Vanished(f"{self._address} has no such object: {_in_short(error)}") from None
        except (BaseError, AlreadyExistsError) as error:
            raise StoreUnreachable(
                f"{self._address} cannot be used: {_in_short(error)}",
                hint="check its endpoint, region and credentials (docs/operations.md, Segments in an object store)",
            ) from None


def object_store(layout: Layout, address: str, settings: LedgerSettings) -> Objects:
    """The objects under an address, `s3://bucket/prefix`.

    Raises:
        MissingPrerequisite: the client is not installed.
    """
    return _opened(layout.cache, address, settings)


@lru_cache(maxsize=8)
def _opened(cache: Path, address: str, settings: LedgerSettings) -> Objects:
    try:
        from obstore.store import S3Store
    except ImportError:
        raise MissingPrerequisite(
            f"segments lie in {address}, and the extra that reaches it is not installed",
            hint="pip install 'freehold[s3]'",
            code="missing_extra",
        ) from None
    parts = urlsplit(address)
    endpoint = settings.segments_endpoint
    options: dict[str, Any] = {**_shared_credentials()}
    if endpoint:
        options["endpoint"] = endpoint
    if settings.segments_region:
        options["region"] = settings.segments_region
    client = S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        client_options={
            "timeout": timedelta(seconds=settings.segments_timeout_s),
            "connect_timeout": timedelta(seconds=min(_CONNECT_S, settings.segments_timeout_s)),
            "allow_http": endpoint.startswith("http://"),
        },
        retry_config={
            "max_retries": _RETRIES,
            "retry_timeout": timedelta(seconds=settings.segments_timeout_s * (_RETRIES + 1)),
            "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=2), "base": 2},
        },
        **options,
    )
    return Objects(address, client, cache, settings.segments_cache_bytes)


def _shared_credentials() -> dict[str, str]:
    """Keys of the file that AWS's tools share, where the environment holds none; roles of machines come after both."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return {}
    file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or Path.home() / ".aws" / "credentials")
    parser = configparser.RawConfigParser()
    with contextlib.suppress(OSError, configparser.Error, UnicodeDecodeError):
        parser.read_string(file.read_text("utf-8"))
    profile = os.environ.get("AWS_PROFILE") or "default"
    if not parser.has_section(profile):
        return {}
    names = {
        "access_key_id": "aws_access_key_id",
        "secret_access_key": "aws_secret_access_key",
        "session_token": "aws_session_token",
    }
    return {ours: parser.get(profile, theirs) for ours, theirs in names.items() if parser.has_option(profile, theirs)}


def _in_short(error: BaseException) -> str:
    """The kind of an error and its first words: never what a server sent, which may go on for pages."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:200]}"
