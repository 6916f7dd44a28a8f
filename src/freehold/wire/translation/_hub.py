"""The one form that requests, answers and streams take between two dialects.

Each dialect is written once towards this form and once from it, instead of once towards every other. It is as rich as
the richest dialect: blocks in order, thinking with its signature, marks of prompt caching. A reader puts here whatever
it can say, and reports or refuses the rest; a writer does the same with what its own dialect cannot say.
"""

from __future__ import annotations

from typing import Any, Literal, NoReturn

import msgspec

from freehold.errors import BadRequest
from freehold.vocabulary import Usage

_NAME_CHARS = 200

Role = Literal["system", "user", "assistant"]
Stop = Literal["end", "sequence", "length", "context", "tools", "refusal", "pause"]
"""Why an answer ended: by itself, at a stop sequence, at the limit of output, at that of the context, to have tools
called, because it was refused or filtered, or to be sent back for more."""


class Text(msgspec.Struct, frozen=True):
    """Text. `cache` is the lifetime of a prompt-cache mark after it (`default` where none was named), "" without."""

    text: str = ""
    cache: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """The text of a model that declines."""

    text: str = ""


class Media(msgspec.Struct, frozen=True):
    """An image or a document: base64 `data`, a `url`, or plain `text`. `title` is a document's name."""

    kind: Literal["image", "document"]
    media_type: str = ""
    data: str = ""
    url: str = ""
    text: str = ""
    title: str = ""
    cache: str = ""


class Call(msgspec.Struct, frozen=True):
    """A tool that the model wants called. `arguments` is JSON text, as models write it."""

    id: str
    name: str
    arguments: str = ""
    cache: str = ""


class Result(msgspec.Struct, frozen=True):
    """What a called tool gave back."""

    call_id: str
    parts: tuple[Text | Media, ...] = ()
    failed: bool = False
    cache: str = ""


class Thinking(msgspec.Struct, frozen=True):
    """What a model thought: text with its signature, or only the provider's encrypted form of it (`redacted`)."""

    text: str = ""
    signature: str = ""
    redacted: str = ""


Part = Text | Refusal | Media | Call | Result | Thinking


class Turn(msgspec.Struct):
    """One turn of the conversation. `place` is where it stands in the client's request."""

    role: Role
    parts: list[Part]
    place: str = ""


class Tool(msgspec.Struct, frozen=True):
    """A function of the client's own that the model may ask for."""

    name: str
    description: str
    schema: dict[str, Any]
    strict: bool | None = None
    cache: str = ""


class Choice(msgspec.Struct, frozen=True):
    """Which tools the model must or may use. `name` with `named` only."""

    mode: Literal["auto", "none", "required", "named"]
    name: str = ""


class Schema(msgspec.Struct, frozen=True):
    """The JSON schema that the answer's text must keep to."""

    schema: dict[str, Any]
    name: str = ""
    description: str = ""
    strict: bool | None = None


class Request(msgspec.Struct):
    """A request. `names` says what the client calls a field where it differs from here; `lost` collects the report."""

    model: str
    turns: list[Turn]
    names: dict[str, str] = {}
    lost: dict[str, None] = {}
    tools: list[Tool] = []
    choice: Choice | None = None
    parallel: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: list[str] = []
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, Any] | None = None
    verbosity: str | None = None
    schema: Schema | None = None
    json_object: bool = False
    effort: str | None = None
    thinking: dict[str, Any] | None = None
    thinking_shown: bool = False
    user: str | None = None
    stream: bool = False
    include_usage: bool = False
    echo: dict[str, Any] = {}

    def lose(self, *fields: str) -> None:
        """Report those of these fields that hold something."""
        for field in fields:
            value = getattr(self, field)
            if value is not None and value is not False and value not in ("", [], {}):
                self.report(self.named(field))

    def report(self, name: str) -> None:
        """Report a field by the client's own name for it, dotted."""
        self.lost[name] = None

    def refuse(self, field: str, why: str) -> NoReturn:
        """Say that the request cannot be translated because of this field."""
        raise untranslatable(self.named(field), why)

    def named(self, field: str) -> str:
        """What the client calls a field. `part.…` are fields of what its messages hold, `turns` are these."""
        return self.names.get(field, field)


def untranslatable(name: str, why: str) -> BadRequest:
    """The error for a field that the other dialect cannot carry. `why` holds nothing of the call's content."""
    return BadRequest(
        f"{name[:_NAME_CHARS]} cannot be translated for the model that was asked: {why}",
        hint="leave it out, or ask a model of the dialect that you speak",
        code="untranslatable",
    )


class Answer(msgspec.Struct):
    """A whole answer. `sequence` is the stop sequence that ended it, `explanation` why it was refused."""

    id: str
    model: str
    parts: list[Text | Refusal | Call | Thinking]
    stop: Stop
    usage: Usage | None = None
    created_s: int | None = None
    sequence: str | None = None
    explanation: str = ""

    def __post_init__(self) -> None:
        """An answer that calls tools ends to have them called: some servers say `stop` all the same."""
        if self.stop == "end" and any(isinstance(part, Call) for part in self.parts):
            self.stop = "tools"


class Problem(msgspec.Struct, frozen=True):
    """An error that a provider reported. `kind` is its own word for it, or ""."""

    message: str
    status: int = 500
    kind: str = ""
    param: str | None = None


class Started(msgspec.Struct, frozen=True):
    """A stream says whose answer it is."""

    id: str = ""
    model: str = ""
    created_s: int | None = None
    usage: Usage | None = None


class Opened(msgspec.Struct, frozen=True):
    """A part begins, empty. Its number is no other open part's; writers see it after the part before it is closed."""

    index: int
    part: Text | Refusal | Call | Thinking


class Grew(msgspec.Struct, frozen=True):
    """More text of an open part, or of the arguments of an open call."""

    index: int
    text: str


class Signed(msgspec.Struct, frozen=True):
    """The signature of an open part of thinking."""

    index: int
    signature: str


class Closed(msgspec.Struct, frozen=True):
    """A part is whole."""

    index: int


class Finished(msgspec.Struct, frozen=True):
    """The provider said that its answer is complete."""

    stop: Stop
    usage: Usage | None = None
    sequence: str | None = None
    explanation: str = ""


class Failed(msgspec.Struct, frozen=True):
    """The provider broke its answer off and said why."""

    problem: Problem


Event = Started | Opened | Grew | Signed | Closed | Finished | Failed
