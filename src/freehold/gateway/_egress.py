"""The one door to a rented model.

Every request to a provider, on every path (first try, retry, fallback, hedge, escalation, audit, shadow, model list,
file), goes through `send`, immediately before it is serialised. A call whose data class is anything but `ordinary` does
not pass: not being able to tell counts as restricted. A recorded provider is a rented one. A test reads the package's
source and fails where a provider is asked anywhere else.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from freehold.errors import RestrictedRefused
from freehold.vocabulary import DataClass

from ._client import Handle, Sink
from ._exchange import Headers
from .resilience.deadlines import Deadlines

KEY_HEADERS = frozenset({b"authorization", b"api-key", b"x-api-key"})
"""Where clients put their keys."""


class Outgoing(msgspec.Struct, frozen=True):
    """What is to be sent: the client's own request, untouched.

    `dialect` names the format of the body; "" for a request that is no call (a file, a list of models), whose `path`
    goes to the provider as it is. `model`: the name that the provider knows, "" where the body's own holds.
    `data_class` None: it could not be told. `trusted`: the provider is the one the client addressed, so that the
    client's own key may go to it. `query`: what the client's URL said after its `?`, for calls. `patience`: how long
    it may take; None: what the provider's settings say.
    """

    method: bytes
    path: bytes
    headers: Headers
    body: bytes
    data_class: DataClass | None
    dialect: str = ""
    model: str = ""
    trusted: bool = True
    query: bytes = b""
    patience: Deadlines | None = None

    def to(self, model: str, patience: Deadlines, *, trusted: bool) -> Outgoing:
        """The same to one provider."""
        return Outgoing(
            self.method, self.path, self.headers, self.body, self.data_class, self.dialect, model,
            self.trusted and trusted, self.query, patience,
        )  # fmt: skip


class Provider(Protocol):
    """Somebody who rents out models. Only `send` below may call `transmit`."""

    name: str
    fallback: str

    @property
    def own_key(self) -> bool:
        """Whether requests to it carry a key of ours, whatever the client sent."""
        ...

    def missing(self) -> str:
        """What it needs and does not have, for a person, or ""."""
        ...

    def speaks(self, dialect: str) -> bool:
        """Whether requests of that dialect are sent to it as they are, without translation."""
        ...

    def prepare(self) -> None:
        """Read what it needs (a recording, credentials). May be slow: called in a thread, before the first call."""
        ...

    def transmit(self, outgoing: Outgoing, sink: Sink) -> Handle:
        """Serialise and send; the answer goes to the sink, later, in the dialect of the request.

        Raises:
            MissingPrerequisite: a key, a file or an extra is missing.
            BadRequest: the provider speaks another dialect, and the request cannot be said in it.
        """
        ...

    def discreet(self, told: bytes) -> bytes:
        """What it says of a failure, with its own key struck out: a provider may repeat the key that it refuses."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


def carries_clients_key(provider: Provider, outgoing: Outgoing) -> bool:
    """Whether a request goes out with the key of the client who made it."""
    return outgoing.trusted and not provider.own_key and any(name in KEY_HEADERS for name, _ in outgoing.headers)


def send(provider: Provider, outgoing: Outgoing, sink: Sink) -> Handle:
    """Send a request to a rented model, if its data may leave.

    Raises:
        RestrictedRefused: the call is restricted, or nobody can tell.
        MissingPrerequisite: the provider lacks a key or a file.
        BadRequest: the provider cannot be asked this.
    """
    if outgoing.data_class != "ordinary":
        raise RestrictedRefused(
            "this task is restricted: it may not be sent to a rented model, and no owned model could answer it",
            hint="promote an owned model for it, or change its data_class in freehold.toml",
        )
    return provider.transmit(outgoing, sink)
