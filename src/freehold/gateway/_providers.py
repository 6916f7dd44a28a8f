"""Who answers: any server that speaks OpenAI's format, or a recording. Built from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from freehold.errors import ConfigurationError, MissingPrerequisite
from freehold.settings import GatewaySettings, ProviderSettings, Settings

from ._client import Attempt, Handle, Origin, Sink, Timeouts
from ._egress import Outgoing, Provider
from ._server import Headers
from .recorded import Playback, Recording

_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
     b"trailer", b"trailers", b"transfer-encoding", b"upgrade", b"http2-settings"}
)  # fmt: skip
_KEYS = frozenset({b"authorization", b"api-key", b"x-api-key"})
_NOT_SENT = _HOP | _KEYS | {b"host", b"content-length", b"accept-encoding", b"expect", b"x-freehold-task"}
_NOT_RETURNED = _HOP | {b"content-length"}


def returned_headers(headers: Headers) -> bytes:
    """A provider's headers as lines for the client: all but those of the connection, and none that claim to be ours."""
    lines = [
        b"%b: %b\r\n" % (name, value)
        for name, value in headers
        if name not in _NOT_RETURNED and not name.startswith(b"x-freehold-")
    ]
    return b"".join(lines)


class OpenAIProvider:
    """Any server that speaks OpenAI's chat completions.

    The body goes out as it came in, and so do the headers but for host, key and those of the connection. The key is the
    provider's own where `api_key_env` names one, else the client's, and that only where the client addressed it.
    """

    def __init__(self, name: str, settings: ProviderSettings, gateway: GatewaySettings, key: str) -> None:
        parts = urlsplit(settings.base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError(
                f"providers.{name}.base_url is not an http(s) URL", hint=f"set providers.{name}.base_url"
            )
        tls = parts.scheme == "https"
        timeouts = Timeouts(
            gateway.connect_timeout_s, gateway.first_byte_timeout_s, gateway.idle_timeout_s, gateway.total_timeout_s
        )
        self.name = name
        self.fallback = settings.fallback
        self._key_variable = settings.api_key_env
        self._key = key.strip().encode("latin-1", "replace")
        self._base = parts.path.rstrip("/").encode()
        self._host = parts.netloc.rpartition("@")[2].encode()
        port = parts.port or (443 if tls else 80)
        self._origin = Origin(name, parts.hostname, port, tls=tls, timeouts=timeouts)

    def missing(self) -> str:
        """What it needs and does not have, or ""."""
        if self._key_variable and not self._key:
            return f"the key of provider {self.name}: the environment variable {self._key_variable} is not set"
        return ""

    def transmit(self, outgoing: Outgoing, sink: Sink) -> Attempt:
        """Serialise and send."""
        missing = self.missing()
        if missing:
            raise MissingPrerequisite(f"missing is {missing}", hint=f"export {self._key_variable}=...")
        lines = [
            b"%b %b%b HTTP/1.1\r\nhost: %b\r\naccept-encoding: identity\r\n"
            % (outgoing.method, self._base, outgoing.path, self._host)
        ]
        if self._key:
            lines.append(b"authorization: Bearer %b\r\n" % self._key)
        for name, value in outgoing.headers:
            if name not in _NOT_SENT or (name in _KEYS and outgoing.trusted and not self._key):
                lines.append(b"%b: %b\r\n" % (name, value))
        if outgoing.body:
            lines.append(b"content-length: %d\r\n\r\n" % len(outgoing.body))
            lines.append(outgoing.body)
        else:
            lines.append(b"\r\n")
        return self._origin.send(b"".join(lines), sink)

    def close(self) -> None:
        """Close its connections."""
        self._origin.close()


class RecordedProvider:
    """A recording that plays a provider: equal requests are answered in recorded order, then with the last again."""

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        self.name = name
        self.fallback = settings.fallback
        self._file = settings.file
        self._recording: Recording | None = None

    def load(self) -> None:
        """Index the recording. Slow for a large one: call it off the loop. A file that is missing stays missing."""
        if self._file and Path(self._file).is_file():
            self._recording = Recording(Path(self._file))

    def missing(self) -> str:
        """What it needs and does not have, or ""."""
        if self._recording is not None:
            return ""
        if not self._file:
            return f"the recording of provider {self.name}: providers.{self.name}.file is not set"
        return f"the recording of provider {self.name}: {self._file} cannot be found"

    def transmit(self, outgoing: Outgoing, sink: Sink) -> Handle:
        """Look the request up and play its answer."""
        if self._recording is None:
            raise MissingPrerequisite(f"missing is {self.missing()}", hint=f"set providers.{self.name}.file")
        return Playback(self._recording, outgoing.path, outgoing.body, sink)

    def close(self) -> None:
        """Close the file."""
        if self._recording is not None:
            self._recording.close()


def providers_of(settings: Settings, environ: Mapping[str, str]) -> dict[str, Provider]:
    """Every provider in the settings, by name. Nothing is connected, no file is read.

    Raises:
        ConfigurationError: a URL is none, or a fallback or the default names no provider.
    """
    found: dict[str, Provider] = {}
    for name, one in settings.providers.items():
        if one.fallback and one.fallback not in settings.providers:
            raise ConfigurationError(
                f"providers.{name}.fallback names {one.fallback!r}, which is no provider", hint="see docs/settings.md"
            )
        if one.kind == "recorded":
            found[name] = RecordedProvider(name, one)
        else:
            found[name] = OpenAIProvider(name, one, settings.gateway, environ.get(one.api_key_env, ""))
    if settings.default_provider and settings.default_provider not in found:
        raise ConfigurationError(
            f"default_provider names {settings.default_provider!r}, which is no provider", hint="see docs/settings.md"
        )
    return found
