"""Requests that are no calls: lists of models, files, batches, stored answers, token counts. Passed on as they came.

Nothing of them is recorded. What a file or a batch holds cannot be told, so that none is sent while any task is
restricted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

from freehold.errors import BadRequest, FreeholdError, KeyScope, RestrictedRefused
from freehold.vocabulary import Usage
from freehold.wire.known import MESSAGES

from ._client import Handle
from ._coding import decoded
from ._egress import Outgoing, Provider, send
from ._endpoints import Endpoint
from ._exchange import Exchange, Headers
from ._targets import declared_task
from .callers import Caller, query_without_keys, without_keys
from .providers import returned_headers

if TYPE_CHECKING:
    from .app import Gateway

_LIST = b"/models"
_NAMED = b"/models/"
_JSON = b"content-type: application/json\r\n"
_decoder = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder()


class Relay:
    """Sends one request on and passes its answer back, whatever it is."""

    __slots__ = ("_discreet", "_endpoint", "_exchange", "_gateway", "_handle", "_headers", "_kept", "_limits",
                 "_status")  # fmt: skip

    def __init__(self, gateway: Gateway, exchange: Exchange, endpoint: Endpoint) -> None:
        self._gateway = gateway
        self._exchange = exchange
        self._endpoint = endpoint
        self._handle: Handle | None = None
        self._status = 0
        self._headers: Headers = []
        self._limits = b""
        self._discreet: Callable[[bytes], bytes] = bytes
        self._kept: list[bytes] | None = [] if endpoint.path == _LIST and gateway.targets.aliases else None

    def begin(self) -> None:
        """Send it.

        Raises:
            RestrictedRefused: it may hold restricted data.
            CallerRefused: the caller's virtual key does not carry it.
            MissingPrerequisite: there is nobody to send it to.
        """
        exchange, gateway = self._exchange, self._gateway
        caller = gateway.callers.identify(exchange.headers)
        if caller is not None:
            self._check(caller)
            self._limits = gateway.callers.count(caller, self._endpoint.dialect.name)
            exchange.headers = without_keys(exchange.headers)
        if self._is_ours():
            return
        provider, outgoing = self._counting() if self._endpoint.read else self._as_it_is()
        exchange.on_gone = self._gone
        self._discreet = provider.discreet
        try:
            self._handle = send(provider, outgoing, self)
        except BadRequest:
            if self._endpoint.path != _LIST:
                raise
            self._list_aliases()  # AWS Bedrock has no such list
            return
        exchange.on_pause, exchange.on_resume = self._handle.pause, self._handle.resume

    def _check(self, caller: Caller) -> None:
        """Let a key with limits do only what keeps to them: nobody knows what a batch will cost, or whose a file is."""
        key, path = caller.key, self._endpoint.path
        looks = self._endpoint.read or (path + b"/").startswith(_NAMED)
        if looks and self._exchange.method != b"DELETE":
            return
        if key.models or key.tasks or key.budget is not None or key.tpm:
            raise KeyScope(
                f"the key {key.name} has a budget, a limit of tokens or a scope, which files, batches and stored "
                "answers do not keep to",
                hint="use a key without these for them",
            )

    def _is_ours(self) -> bool:
        """Answer what is asked of a model that the settings name; True where it was."""
        exchange, path = self._exchange, self._endpoint.path
        if exchange.method != b"GET" or not path.startswith(_NAMED):
            return False
        name = unquote(path.removeprefix(_NAMED).decode("latin-1"))
        if name not in self._gateway.targets.aliases:
            return False
        exchange.respond(200, _JSON + self._limits, _encoder.encode(self._entry(name)))
        return True

    def _counting(self) -> tuple[Provider, Outgoing]:
        """Who counts the tokens of a request, and what is sent there: whoever would be the first to be asked it."""
        exchange, gateway, dialect = self._exchange, self._gateway, self._endpoint.dialect
        headers, body = decoded(exchange.headers, exchange.body, gateway.settings.max_body_bytes)
        chat = dialect.decode(body).chat
        data_class = gateway.router.resolve(chat, declared_task(exchange.named, chat.model)).data_class
        target = gateway.targets.of(chat.model, dialect.name)[0]
        if not target.provider.speaks(dialect.name):
            raise BadRequest(
                f"the provider {target.provider.name} does not count tokens for clients of {dialect.name}",
                hint="name a model of a provider that does",
                code="untranslatable",
            )
        path = self._endpoint.path + self._query()
        return target.provider, Outgoing(exchange.method, path, headers, body, data_class, model=target.model)

    def _as_it_is(self) -> tuple[Provider, Outgoing]:
        """Who is sent everything else, which nobody looks into: always where there is no body."""
        exchange, gateway = self._exchange, self._gateway
        provider = gateway.targets.default(self._endpoint.dialect.name)
        if exchange.body and gateway.router.any_restricted:
            raise RestrictedRefused(
                "some tasks are restricted, and it cannot be told whether this request holds data of theirs",
                hint="send it to the provider directly if it does not",
            )
        path = self._endpoint.path + self._query()
        return provider, Outgoing(exchange.method, path, exchange.headers, exchange.body, "ordinary")

    def _query(self) -> bytes:
        query = query_without_keys(self._exchange.query)
        return b"?" + query if query else b""

    def _list_aliases(self) -> None:
        names = self._gateway.targets.aliases
        listed: dict[str, Any] = {"object": "list", "data": [self._entry(name) for name in names]}
        if self._endpoint.dialect is MESSAGES:
            first, last = (names[0], names[-1]) if names else (None, None)
            listed = {"data": listed["data"], "has_more": False, "first_id": first, "last_id": last}
        self._exchange.respond(200, _JSON + self._limits, _encoder.encode(listed))

    def _entry(self, name: str) -> dict[str, Any]:
        """A name of the settings as an entry of the dialect's list of models."""
        if self._endpoint.dialect is MESSAGES:
            return {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}
        return {"id": name, "object": "model", "created": 0, "owned_by": "freehold"}

    # Sink

    def on_head(self, status: int, headers: Headers) -> None:
        """Status and headers of the answer. What a provider says of a failure is gathered, to look at it whole."""
        self._status, self._headers = status, headers
        if status >= 400:
            self._headers = [(name, self._discreet(value)) for name, value in headers]
            self._kept = []

    def on_data(self, data: bytes, *, done: bool) -> None:
        """More of its body: on to the client."""
        exchange = self._exchange
        if done:
            self._handle = None  # it knows us: both are freed at once, and with them what was uploaded
        if self._kept is not None and (self._status == 200 or self._status >= 400):
            self._kept.append(data)
            if not done:
                return
            data = b"".join(self._kept)
            listed = self._status == 200
            data = self._with_aliases(data) if listed else self._discreet(data)
        if exchange.streaming:
            exchange.write(data)
            if done:
                exchange.end()
        elif done:
            exchange.respond(self._status, self._returned(), data)
        elif data:
            exchange.start(self._status, self._returned(), data)

    def on_usage(self, usage: Usage) -> None:
        """Nothing is counted for what is no call."""

    def on_failed(self, error: FreeholdError) -> None:
        """No (further) answer will come."""
        self._handle = None
        if self._exchange.streaming:
            self._exchange.abort(b"")
        else:
            self._exchange.fail(error)

    def _gone(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.cancel()

    def _returned(self) -> bytes:
        return returned_headers(self._headers, limits=not self._limits) + self._limits

    def _with_aliases(self, body: bytes) -> bytes:
        """A list of models with the names that the settings add, on its last page; what is none stays as it is."""
        try:
            listed = _decoder.decode(body)
        except msgspec.MsgspecError:
            return body
        if not isinstance(listed.get("data"), list) or listed.get("has_more"):
            return body
        made = [self._entry(name) for name in self._gateway.targets.aliases]
        return _encoder.encode({**listed, "data": [*listed["data"], *made]})
