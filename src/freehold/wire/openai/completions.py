"""OpenAI's older completions API (a prompt and its continuation) as a dialect."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from freehold.errors import FreeholdError
from freehold.vocabulary import Usage
from freehold.wire import bodies, canonical
from freehold.wire.dialects import Asked, Assembled, Read
from freehold.wire.streams import DocumentReader

from ._author import usage_body
from ._errors import error_envelope, error_event
from ._request import ChatRequest, ContentPart, Message, StreamOptions, parts_of_tokens
from ._response import UsageBody
from ._stream import joined_logprobs, stated_tier

_PER_CHUNK = frozenset({"choices", "usage"})


class CompletionRequest(msgspec.Struct):
    """Body of `POST /v1/completions`, as far as recognising, routing and recording need it."""

    prompt: str | list[str | int | list[int]] | None = None
    model: str = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    best_of: int | None = None
    logprobs: int | None = None
    echo: bool | None = None
    suffix: str | None = None
    stop: str | list[str] | None = None
    logit_bias: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    user: Any = None

    def owned_obstacle(self) -> str:
        """Name the field that asks for what an owned model cannot give, or "" where none does."""
        asked = {
            "prompt": len(self._prompts()) != 1 or not isinstance(self._prompts()[0], str),
            "n": (self.n or 1) != 1,
            "best_of": (self.best_of or 1) != 1,
            "logprobs": self.logprobs is not None,
            "echo": self.echo,
            "suffix": self.suffix,
            "stop": self.stop,
            "logit_bias": self.logit_bias,
        }
        return next((name for name, value in asked.items() if value), "")

    def chat(self) -> ChatRequest:
        """The same as a chat request: each prompt is a user's message; one made of tokens has parts without text.

        `n` counts every answer that is made and paid for: `best_of` of them for each prompt.
        """
        prompts = self._prompts()
        answers = max(self.n or 1, self.best_of or 1) * max(len(prompts), 1)
        return ChatRequest(
            messages=[Message("user", _content(one)) for one in prompts],
            model=self.model,
            stream=self.stream,
            stream_options=self.stream_options,
            n=self.n if answers == 1 else answers,
            stop=self.stop,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            metadata=self.metadata,
            user=self.user,
        )

    def _prompts(self) -> list[Any]:
        if not isinstance(self.prompt, list):
            return [self.prompt]
        return [self.prompt] if self.prompt and isinstance(self.prompt[0], int) else cast("list[Any]", self.prompt)


def _content(prompt: Any) -> str | list[ContentPart | str]:
    if isinstance(prompt, str):
        return prompt
    return parts_of_tokens(len(cast("list[int]", prompt)) if isinstance(prompt, list) else 0)


class _Choice(msgspec.Struct):
    text: str
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    model: str = ""
    usage: UsageBody | None = None
    service_tier: str | None = None


_request_decoder = msgspec.json.Decoder(CompletionRequest)
_response_decoder = msgspec.json.Decoder(_Completion)
_decoder = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder()


def _decode_response(body: bytes) -> _Completion | None:
    found = bodies.answer(_response_decoder, body)
    return found if found is not None and found.choices else None


class Completions:
    """`POST /v1/completions`: see `freehold.wire.dialects.Dialect`."""

    name = "openai.completions"
    end_mark = b"[DONE]"

    def decode(self, body: bytes) -> Asked:
        """Read a request's body."""
        request = bodies.request(_request_decoder, body, "a completion")
        return Asked(request.chat(), request.owned_obstacle())

    def read(self, body: bytes) -> Read | None:
        """Read a whole answer."""
        found = _decode_response(body)
        if found is None:
            return None
        return Read(found.model, found.usage.counts(found.service_tier) if found.usage is not None else None)

    def answer_text(self, body: bytes) -> str | None:
        """The canonical answer: the first choice's text."""
        found = _decode_response(body)
        return found.choices[0].text if found is not None else None

    def finish_reason(self, body: bytes) -> str | None:
        """Why the first choice ended."""
        found = _decode_response(body)
        return found.choices[0].finish_reason if found is not None else None

    def assembler(self) -> CompletionAssembler:
        """A reader for one streamed answer."""
        return CompletionAssembler()

    def author(self, asked: Asked, *, call_id: str, created_s: int, answer: str, usage: Usage) -> bytes:
        """An owned model's answer as a completion."""
        body = {
            "id": f"cmpl-{call_id.removeprefix('call_')}",
            "object": "text_completion",
            "created": created_s,
            "model": asked.chat.model,
            "choices": [{"text": answer, "index": 0, "logprobs": None, "finish_reason": "stop"}],
            "usage": usage_body(usage),
            "system_fingerprint": None,
        }
        return _encoder.encode(body)

    def stream_of(self, body: bytes, asked: Asked) -> list[bytes]:
        """A completion as the events of a streamed one, `[DONE]` included; usage is told as chat completions do."""
        whole = _decoder.decode(body)
        head = {key: value for key, value in whole.items() if key not in _PER_CHUNK}
        tail: dict[str, Any] = {"usage": None} if asked.chat.include_usage else {}
        chunks: list[dict[str, Any]] = []
        for choice in cast("list[dict[str, Any]]", whole.get("choices") or []):
            *first, last = canonical.pieces(str(choice.get("text") or "")) or [""]
            chunks += [{"choices": [{**choice, "text": t, "logprobs": None, "finish_reason": None}]} for t in first]
            chunks.append({"choices": [{**choice, "text": last}]})
        events = [b"data: " + _encoder.encode({**head, **chunk, **tail}) + b"\n\n" for chunk in chunks]
        if asked.chat.include_usage:
            events.append(b"data: " + _encoder.encode({**head, "choices": [], "usage": whole.get("usage")}) + b"\n\n")
        return [*events, b"data: [DONE]\n\n"]

    def unstreamed(self, body: bytes) -> bytes:
        """The same request asking for the answer whole."""
        return bodies.without(body, "stream", "stream_options")

    def error_envelope(self, error: FreeholdError) -> bytes:
        """An error in OpenAI's envelope."""
        return error_envelope(error)

    def error_event(self, error: FreeholdError) -> bytes:
        """The same as an event."""
        return error_event(error)


class CompletionAssembler(DocumentReader):
    """Reads a copy of a streamed completion, which is complete as a chat completion is."""

    __slots__ = ("_choices", "_error", "_head", "_texts", "_usage")

    def __init__(self) -> None:
        super().__init__()
        self._head: dict[str, Any] | None = None
        self._choices: dict[int, dict[str, Any]] = {}
        self._texts: dict[int, list[str]] = {}
        self._usage: dict[str, Any] | None = None
        self._error: Any = None

    def finish(self) -> Assembled:
        """Say what the stream came to. Call once, when no more bytes will come."""
        self._close()
        fault, usage = self._fault or self._missing(), None
        if self._usage is not None:
            try:
                usage = msgspec.convert(self._usage, UsageBody).counts(stated_tier(self._head))
            except msgspec.MsgspecError:
                fault = fault or "the stream's usage cannot be read"
        chars = sum(len(piece) for pieces in self._texts.values() for piece in pieces) if fault else 0
        return Assembled(self._body(), usage, fault, self._error is not None, chars)

    @property
    def _ended(self) -> bool:
        return self._done

    def _missing(self) -> str:
        if not self._choices:
            return "the stream ended before the first choice"
        if any(choice.get("finish_reason") is None for choice in self._choices.values()):
            return "the stream ended without a finish reason"
        return "" if self._done else "the stream ended without [DONE]"

    def _document(self, document: dict[str, Any]) -> None:
        error = document.get("error")
        if error is not None or document.get("type") == "error":
            self._error = error if error is not None else document
            self._fault = "the provider sent an error in the stream"
            return
        if self._head is None and "choices" in document:
            self._head = {key: value for key, value in document.items() if key not in _PER_CHUNK}
        if document.get("usage") is not None:
            self._usage = document["usage"]
        for part in document.get("choices") or ():
            self._add(part)

    def _add(self, part: dict[str, Any]) -> None:
        index = part.get("index", 0)
        if not isinstance(index, int):
            raise TypeError("an index is no number")
        choice = self._choices.setdefault(index, {"text": "", "index": index, "logprobs": None, "finish_reason": None})
        for key, value in part.items():
            if key == "text" and isinstance(value, str):
                self._texts.setdefault(index, []).append(value)
            elif key == "logprobs" and value is not None:
                choice[key] = joined_logprobs(choice[key], value)
            elif key not in ("text", "index") and (value is not None or key not in choice):
                choice[key] = value

    def _body(self) -> bytes:
        body = dict(self._head or {})
        body["choices"] = [
            {**choice, "text": "".join(self._texts.get(index, ()))} for index, choice in sorted(self._choices.items())
        ]
        if self._usage is not None:
            body["usage"] = self._usage
        if self._error is not None:
            body["error"] = self._error
        return _encoder.encode(body)
