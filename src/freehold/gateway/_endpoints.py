"""Which requests go to a model, and in which dialect: the paths of OpenAI's and Anthropic's APIs.

A path is known with `/v1` before it and without, since clients are given base URLs of both kinds, and with slashes at
its end, since some servers and clients of theirs put one there. A call is a call whichever way it is spelt: passed on
as a stored answer it would be neither recorded nor counted.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from freehold.wire.dialects import Dialect
from freehold.wire.known import CHAT, DIALECTS, MESSAGES, PATHS

from ._exchange import Exchange

_GET, _POST, _DELETE = b"GET", b"POST", b"DELETE"
_ANTHROPIC = b"anthropic-version"
_COUNT = b"/messages/count_tokens"


class Endpoint(NamedTuple):
    """A path that goes to a model.

    `relayed`: the request is no call (a list of models, a file, a batch, a stored answer): it goes to the provider as
    it is, and so does the answer. `read`: its body is a request in the dialect all the same (counting tokens).
    """

    dialect: Dialect
    methods: tuple[bytes, ...]
    path: bytes
    relayed: bool = False
    read: bool = False


_CALLS = {
    (path := whole.removeprefix("/v1").encode()): Endpoint(DIALECTS[name], (_POST,), path)
    for name, whole in PATHS.items()
}
_RELAYED: tuple[tuple[bytes, tuple[bytes, ...]], ...] = (
    (b"/models", (_GET, _DELETE)),
    (b"/files", (_GET, _POST, _DELETE)),
    (b"/uploads", (_GET, _POST)),
    (b"/batches", (_GET, _POST)),
    (b"/responses", (_GET, _POST, _DELETE)),
    (b"/chat/completions", (_GET, _POST, _DELETE)),
    (b"/messages", (_GET, _POST, _DELETE)),
)


def endpoint_of(exchange: Exchange) -> Endpoint | None:
    """The endpoint of a request, or None where its path goes to no model."""
    path = exchange.path.removeprefix(b"/v1")
    call = _CALLS.get(path)
    if call is None and path.endswith(b"/"):
        path = path.rstrip(b"/")
        call = _CALLS.get(path)
    if call is not None and exchange.method == _POST:
        return call
    if _climbs(path):
        return None
    for prefix, methods in _RELAYED:
        if path == prefix or path.startswith(prefix + b"/"):
            spoken = MESSAGES if prefix == b"/messages" else spoken_by(exchange)
            return Endpoint(spoken, methods, path, relayed=True, read=path == _COUNT)
    return call


def spoken_by(exchange: Exchange) -> Dialect:
    """Whose clients' words a request is made in, where its path does not say: Anthropic's name their API's version."""
    return MESSAGES if exchange.header(_ANTHROPIC) else CHAT


def _climbs(path: bytes) -> bool:
    """Whether a path has steps like `..`, by which it would end elsewhere at the provider than it says here."""
    steps = unquote_to_bytes(path).replace(b"\\", b"/").split(b"/")
    return b".." in steps or b"." in steps
