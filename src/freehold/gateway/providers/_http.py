"""What every provider across a network shares: its address, its key, its connections, and the lines of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import SplitResult, urlsplit

from freehold.errors import BadRequest, ConfigurationError, MissingPrerequisite
from freehold.gateway._client import Handle, Origin, Sink
from freehold.gateway._egress import KEY_HEADERS, Outgoing
from freehold.gateway._exchange import Headers
from freehold.gateway.resilience.deadlines import Deadlines, deadlines
from freehold.settings import GatewaySettings, ProviderSettings
from freehold.wire.translation import Translation, translation

from ._body import with_model
from ._counting import COUNTED, Counting, asking_for_usage
from ._translating import NOT_CARRIED, Translating

_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
     b"trailer", b"trailers", b"transfer-encoding", b"upgrade", b"http2-settings"}
)  # fmt: skip
_NOT_SENT_WITH_KEYS = _HOP | {b"host", b"content-length", b"accept-encoding", b"expect"}
_NOT_SENT = _NOT_SENT_WITH_KEYS | KEY_HEADERS
_NOT_RETURNED = _HOP | {b"content-length"}
_OURS = b"x-freehold-"
_LIMITS = (b"x-ratelimit-", b"anthropic-ratelimit-")
_ANY_DIALECT = frozenset({b"content-type", b"accept", b"user-agent", b"traceparent", b"tracestate", b"idempotency-key"})

_SAYS_WHAT = frozenset({b"anthropic-beta"})
"""Headers that ask something of a model, which no other dialect has words for."""


def returned_headers(headers: Headers, *, limits: bool = True) -> bytes:
    """A provider's headers as lines for the client: all but those of the connection, and none that claim to be ours.

    Without `limits`, none of the provider's rate limits either: where a caller has limits of its own, those count.
    """
    lines = [
        b"%b: %b\r\n" % (name, value)
        for name, value in headers
        if name not in _NOT_RETURNED
        and (not name.startswith(_OURS) or name == NOT_CARRIED)
        and (limits or not name.startswith(_LIMITS))
    ]
    return b"".join(lines)


class HttpProvider:
    """A provider across a network. Subclasses say what is particular to theirs.

    The body of a dialect that the provider speaks goes out as it came in, and so do the headers but for host, key and
    those of the connection. A dialect that it does not speak is translated to the first of `spoken` for which there is
    a translation; of the headers, only those that mean the same everywhere go along. The key is the provider's own
    where `api_key_env` names one, else the client's, and that only where the client addressed it in its own dialect.

    Args:
        name: its name in the settings.
        settings: its table.
        gateway: timeouts.
        environ: where the key is read from.

    Raises:
        ConfigurationError: its address is no http(s) URL.
    """

    spoken: ClassVar[dict[str, bytes]] = {}
    """The path of each dialect that it speaks."""

    def __init__(
        self, name: str, settings: ProviderSettings, gateway: GatewaySettings, environ: Mapping[str, str]
    ) -> None:
        self.name = name
        self.fallback = settings.fallback
        self.settings = settings
        self.paths = dict(self.spoken)
        self._counts = settings.stream_usage
        self._key_variable = settings.api_key_env
        self.key = environ.get(settings.api_key_env, "").strip().encode("latin-1", "replace")
        parts, port = self._address()
        tls = parts.scheme == "https"
        waits = Deadlines(
            gateway.connect_timeout_s, gateway.first_byte_timeout_s, gateway.idle_timeout_s, gateway.total_timeout_s
        )
        patience = deadlines(waits, settings)
        self.base = parts.path.rstrip("/").encode()
        self.host = parts.netloc.encode()
        assert parts.hostname is not None
        self._origin = Origin(name, parts.hostname, port or (443 if tls else 80), tls=tls, patience=patience)

    @property
    def own_key(self) -> bool:
        """Whether its settings name a key that is there."""
        return bool(self.key)

    def missing(self) -> str:
        """What it needs and does not have, or ""."""
        if self._key_variable and not self.key:
            return f"the key of provider {self.name}: the environment variable {self._key_variable} is not set"
        return ""

    def remedy(self) -> str:
        """What to type where something is missing."""
        return f"export {self._key_variable}=..."

    def speaks(self, dialect: str) -> bool:
        """Whether requests of that dialect are sent to it as they are."""
        return dialect in self.paths

    def prepare(self) -> None:
        """Nothing to read."""

    def transmit(self, outgoing: Outgoing, sink: Sink) -> Handle:
        """Serialise and send."""
        missing = self.missing()
        if missing:
            raise MissingPrerequisite(f"missing is {missing}", hint=self.remedy())
        path = self.paths.get(outgoing.dialect, b"")
        if path or not outgoing.dialect:
            body = with_model(outgoing.body, outgoing.model) if outgoing.model else outgoing.body
            path = path or self.relayed(outgoing.path)
            if outgoing.query and outgoing.trusted:  # it may hold a key, which is for the provider addressed
                path += b"?" + outgoing.query
            counted = asking_for_usage(body) if self._counts and outgoing.dialect in COUNTED else None
            if counted is None:
                payload = self.payload(outgoing, path, body, outgoing.headers)
                return self._origin.send(payload, sink, outgoing.patience)
            counting = Counting(sink)
            payload = self.payload(outgoing, path, counted, outgoing.headers)
            counting.handle = self._origin.send(payload, counting, outgoing.patience)
            return counting
        into = self._translation(outgoing.dialect)
        translated = into.request(outgoing.body, model=outgoing.model or None)
        headers = [(name, value) for name, value in outgoing.headers if name in _ANY_DIALECT]
        unsaid = tuple({name.decode() for name, _ in outgoing.headers if name in _SAYS_WHAT})
        translated = translated._replace(lost=(*translated.lost, *unsaid))
        payload = self.payload(outgoing, self.paths[into.upstream], translated.body, headers)
        between = Translating(into, translated, sink)
        between.handle = self._origin.send(payload, between, outgoing.patience)
        return between

    def discreet(self, told: bytes) -> bytes:
        """What it says of a failure, without its own key."""
        return told.replace(self.key, b"***") if self.key else told

    def close(self) -> None:
        """Close its connections."""
        self._origin.close()

    # what a subclass may do otherwise

    def key_lines(self) -> bytes:
        """Header lines that hold the key."""
        return b"authorization: Bearer %b\r\n" % self.key

    def more_lines(self, headers: Headers) -> bytes:  # noqa: ARG002 -- for subclasses
        """Header lines that every request to it needs and `headers` lack."""
        return b""

    def relayed(self, path: bytes) -> bytes:
        """Where a request that is no call goes."""
        return path

    def payload(self, outgoing: Outgoing, path: bytes, body: bytes, headers: Headers) -> bytes:
        """The request's bytes."""
        keys_pass = outgoing.trusted and not self.key and headers is outgoing.headers
        kept_back = _NOT_SENT_WITH_KEYS if keys_pass else _NOT_SENT
        lines = [
            b"%b: %b\r\n" % (name, value)
            for name, value in headers
            if name not in kept_back and not name.startswith(_OURS)
        ]
        return b"%b %b%b HTTP/1.1\r\nhost: %b\r\naccept-encoding: identity\r\n%b%b%b%b\r\n%b" % (
            outgoing.method,
            self.base,
            path,
            self.host,
            self.key_lines() if self.key else b"",
            self.more_lines(headers),
            b"".join(lines),
            b"content-length: %d\r\n" % len(body) if body else b"",
            body,
        )

    # private

    def _address(self) -> tuple[SplitResult, int | None]:
        """Its URL in parts, and its port."""
        setting = f"providers.{self.name}.base_url"
        url = self.url()
        if not url:
            raise ConfigurationError(f"{setting} is not set", hint=f"set {setting}")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # it may hold a secret, and what is wrong with it is not quoted
            raise ConfigurationError(f"{setting} is not an http(s) URL", hint=f"set {setting}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or not parts.netloc.isascii():
            raise ConfigurationError(f"{setting} is not an http(s) URL", hint=f"set {setting}")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ConfigurationError(
                f"{setting} holds more than an address: a name, a password, a query or a fragment would not be sent",
                hint="api_key_env names the variable that holds a key, api_version is Azure's",
            )
        return parts, port

    def url(self) -> str:
        """Its address."""
        return self.settings.address

    def _translation(self, dialect: str) -> Translation:
        for spoken in self.paths:
            found = translation(dialect, spoken)
            if found is not None:
                return found
        raise BadRequest(
            f"the provider {self.name} does not take {dialect} requests, and they cannot be translated for it",
            hint='choose another provider with model = "PROVIDER/MODEL", or another endpoint',
            code="untranslatable",
        )
