"""Requests that are no calls: lists of models, files, batches, stored answers, token counts. Passed on as they came.

Nothing of them is recorded. What a file or a batch holds cannot be told, so that none is sent while any task is
restricted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from freehold.errors import FreeholdError, KeyScope, RestrictedRefused
from freehold.vocabulary import DataClass, Usage

from ._client import Handle
from ._egress import Outgoing, send
from ._endpoints import Endpoint
from ._server import Exchange, Headers
from .callers import Caller, query_without_keys, without_keys
from .providers import returned_headers

if TYPE_CHECKING:
    from .app import Gateway

_LIST = b"/models"
_decoder = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder()


class Relay:
    """Sends one request on and passes its answer back, whatever it is."""

    __slots__ = ("_discreet", "_endpoint", "_exchange", "_gateway", "_handle", "_headers", "_kept", "_status")

    def __init__(self, gateway: Gateway, exchange: Exchange, endpoint: Endpoint) -> None:
        self._gateway = gateway
        self._exchange = exchange
        self._endpoint = endpoint
        self._handle: Handle | None = None
        self._status = 0
        self._headers: Headers = []
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
            exchange.headers = without_keys(exchange.headers)
        provider = gateway.targets.default(self._endpoint.dialect.name)
        query = query_without_keys(exchange.query)
        path = self._endpoint.path + (b"?" + query if query else b"")
        data_class = self._data_class()
        if data_class != "ordinary":
            raise RestrictedRefused(
                "some tasks are restricted, and it cannot be told whether this request holds data of theirs",
                hint="send it to the provider directly if it does not",
            )
        outgoing = Outgoing(exchange.method, path, exchange.headers, exchange.body, data_class)
        exchange.on_gone = self._gone
        self._discreet = provider.discreet
        self._handle = send(provider, outgoing, self)
        exchange.on_pause, exchange.on_resume = self._handle.pause, self._handle.resume

    def _check(self, caller: Caller) -> None:
        """Let a key with limits do only what keeps to them: nobody knows what a batch will cost, or whose a file is."""
        key = caller.key
        if self._endpoint.read or self._endpoint.path.startswith(_LIST):
            return
        if key.models or key.tasks or key.budget is not None:
            raise KeyScope(
                f"the key {key.name} has a budget or a scope, which files, batches and stored answers do not keep to",
                hint="use a key without a budget and a scope for them",
            )

    def _data_class(self) -> DataClass | None:
        """Whether the body may leave: always where there is none, never where nobody can tell."""
        router = self._gateway.router
        if not self._exchange.body:
            return "ordinary"
        if self._endpoint.read:
            return router.resolve(self._endpoint.dialect.decode(self._exchange.body).chat, "").data_class
        return None if router.any_restricted else "ordinary"

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
        if self._kept is not None and (self._status == 200 or self._status >= 400):
            self._kept.append(data)
            if not done:
                return
            data = b"".join(self._kept)
            listed = self._status == 200
            data = _with_aliases(data, self._gateway.targets.aliases) if listed else self._discreet(data)
        if exchange.streaming:
            exchange.write(data)
            if done:
                exchange.end()
        elif done:
            exchange.respond(self._status, returned_headers(self._headers), data)
        elif data:
            exchange.start(self._status, returned_headers(self._headers), data)

    def on_usage(self, usage: Usage) -> None:
        """Nothing is counted for what is no call."""

    def on_failed(self, error: FreeholdError) -> None:
        """No (further) answer will come."""
        if self._exchange.streaming:
            self._exchange.abort(b"")
        else:
            self._exchange.fail(error)

    def _gone(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


def _with_aliases(body: bytes, aliases: tuple[str, ...]) -> bytes:
    """A list of models with the names that the settings add; what is no such list stays as it is."""
    try:
        listed = _decoder.decode(body)
    except msgspec.MsgspecError:
        return body
    if not isinstance(listed.get("data"), list):
        return body
    made = [{"id": name, "object": "model", "created": 0, "owned_by": "freehold"} for name in aliases]
    return _encoder.encode({**listed, "data": [*listed["data"], *made]})
