"""What the bodies of a call say of it, and how logs write times: the same for every format."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Any

import msgspec

from freehold.vocabulary import Call
from freehold.wire.known import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, PATHS, RESPONSES, dialect

from .protocol import UNTIMED_US, Rejected

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NOTHING = msgspec.Raw(b"")
_NULL = (b"", b"null")

REBUILT_TAG = "rebuilt"
"""The tag of a call whose log holds what was in its bodies and not the bodies: which of them were put together."""


class _Request(msgspec.Struct):
    model: str = ""
    messages: msgspec.Raw = _NOTHING
    input: msgspec.Raw = _NOTHING
    prompt: msgspec.Raw = _NOTHING
    stream: bool | None = None


_Tokens = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Usage(msgspec.Struct):
    """Counts that no provider can have meant are an error of the log, not zero tokens."""

    prompt_tokens: _Tokens | None = None
    completion_tokens: _Tokens | None = None
    input_tokens: _Tokens | None = None
    output_tokens: _Tokens | None = None
    cache_creation_input_tokens: _Tokens | None = None
    cache_read_input_tokens: _Tokens | None = None


class AnswerHead(msgspec.Struct):
    """What an answer says of itself, whatever its dialect; fields it does not have are None or empty."""

    id: str | None = None
    object: str | None = None
    created: float | None = None
    created_at: float | None = None
    model: str | None = None
    choices: msgspec.Raw = _NOTHING
    output: msgspec.Raw = _NOTHING
    data: msgspec.Raw = _NOTHING
    content: msgspec.Raw = _NOTHING
    error: msgspec.Raw = _NOTHING
    usage: _Usage | None = None


class _Form(msgspec.Struct, frozen=True):
    """How a dialect's bodies are known: the request's field and how its value may begin, and the answer's list."""

    asked: str
    begins: tuple[bytes, ...]
    answered: str


_FORMS = {
    "openai.chat": _Form("messages", (b"[",), "choices"),
    "openai.responses": _Form("input", (b"[", b'"'), "output"),
    "openai.completions": _Form("prompt", (b"[", b'"'), "choices"),
    "openai.embeddings": _Form("input", (b"[", b'"'), "data"),
    "anthropic.messages": _Form("messages", (b"[",), "content"),
}


_NO_REQUEST, _NO_ANSWER = _Request(), AnswerHead()
_decode_request = msgspec.json.Decoder(_Request).decode
_decode_response = msgspec.json.Decoder(AnswerHead).decode


def bare(call_id: str, request: bytes, response: bytes, *, tags: dict[str, str], dialect: str = "") -> Call:
    """A call of which a record holds the bodies, and says neither when it was nor how long it took."""
    return Call(
        id=call_id,
        started_at_us=UNTIMED_US,
        latency_ms=0.0,
        provider="",
        model="",
        request=request,
        response=response,
        dialect=dialect,
        tags=tags,
        source="import",
    )


def fill_in(call: Call, path: str = "") -> AnswerHead:
    """Say of a foreign call what its bodies say of it: model, tokens, whether it failed. Empty bodies say nothing.

    Where the call has no dialect it is found out, by the path the bodies crossed where that is known, else by their
    fields.

    Raises:
        Rejected: a body is none of the call's dialect; so does what `UNREADABLE` lists.
    """
    request = _decode_request(call.request) if call.request else _NO_REQUEST
    response = _decode_response(call.response) if call.response else _NO_ANSWER
    call.dialect = call.dialect or _dialect_of(request, response, path)
    form = _FORMS[call.dialect]
    if call.request and not bytes(getattr(request, form.asked)).startswith(form.begins):
        raise Rejected(f"request.{form.asked} is missing or of another kind")
    call.model, call.streamed = request.model or response.model or "", bool(request.stream)
    if not call.response:
        return response
    failed = bytes(response.error) not in _NULL
    if not failed and not bytes(getattr(response, form.answered)).startswith(b"["):
        raise Rejected(f"response holds neither {form.answered} nor an error")
    found = dialect(call.dialect).read(call.response)
    call.usage = found.usage if found is not None else None
    if failed:
        call.outcome, call.status, call.owner, call.error = "error", 0, "none", "upstream_failed"
    return response


def _dialect_of(asked: _Request, answer: AnswerHead, path: str) -> str:
    for name, known in PATHS.items():
        if path.endswith(known):
            return name
    if bytes(asked.input) or bytes(answer.output):
        return EMBEDDINGS.name if bytes(answer.data) else RESPONSES.name
    if bytes(asked.prompt) or answer.object == "text_completion":
        return COMPLETIONS.name
    return MESSAGES.name if bytes(answer.content) and not bytes(answer.choices) else CHAT.name


def body(raw: msgspec.Raw) -> bytes:
    """A body as it stands in a record; one that was logged as a text that holds JSON is taken out of it."""
    data = bytes(raw)
    if data.startswith(b'"'):
        data = msgspec.json.decode(data, type=str).encode()
    return b"" if data in _NULL else data


def completion(message: bytes) -> bytes:
    """The answer that holds one message, where a log has kept nothing else of it."""
    return b'{"object":"chat.completion","choices":[{"index":0,"message":%b,"finish_reason":null}]}' % message


def content_id(record: bytes) -> str:
    """An id for a record that has none: the same content has the same id, wherever it stands."""
    return f"log_{blake2b(record.strip(), digest_size=16).hexdigest()}"


def tags_of(raw: msgspec.Raw) -> dict[str, str]:
    """The texts, numbers and truth values of a JSON object, as tags; what else is in it is left out."""
    data = bytes(raw)
    if not data.startswith(b"{"):
        return {}
    tags: dict[str, str] = {}
    for name, value in msgspec.json.decode(data, type=dict[str, Any]).items():
        if isinstance(value, str | int | float) and "\0" not in f"{name}{value}":
            tags[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return tags


def started_at_us(value: datetime | float) -> int:
    """The microseconds since the epoch that a log's `started_at` means, however it was written.

    Raises:
        ValueError: it is no time.
    """
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return (aware - _EPOCH) // _MICROSECOND
    if not math.isfinite(value) or value < 0:
        raise Rejected("started_at is no time")
    # Seconds until the year 5138 are below 1e11; milliseconds of any date after 1973 are above it, and so on.
    scale = 1_000_000 if value < 1e11 else 1000 if value < 1e14 else 1
    at_us = int(value * scale)
    if at_us > 253_402_300_799_999_999:
        raise Rejected("started_at is no time")
    return at_us


def latency_ms(value: float | None) -> float:
    """A latency as the ledger keeps it: 0.0 where it is not known.

    Raises:
        Rejected: it is negative or no number.
    """
    if value is None:
        return 0.0
    if value < 0 or not math.isfinite(value):
        raise Rejected("latency_ms is negative or no number")
    return value


def text_only(*texts: str | None) -> None:
    """Refuse what SQL engines cannot keep as text.

    Raises:
        Rejected: a text holds a NUL character.
    """
    for text in texts:
        if text and "\x00" in text:
            raise Rejected("a text field holds a NUL character")
