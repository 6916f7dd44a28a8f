"""The content of messages as Anthropic's clients write it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from freehold.wire.translation._hub import Call, Media, Part, Result, Text, Thinking
from freehold.wire.translation._reading import Fields, cache_of

_encoder = msgspec.json.Encoder()
_ELSEWHERE = "the file lies with another provider; send its data"
_OWN_TOOLS = "it is the work of a tool of Anthropic's own, which the other dialect does not have"


def read_blocks(owner: Fields, name: str) -> list[Part]:
    """The blocks of a content that is text or a list of blocks. Empty texts are left out: they say nothing."""
    content = owner.any(name)
    if content is None:
        return []
    if isinstance(content, str):
        return [Text(content)] if content else []
    if not isinstance(content, list):
        owner.wrong(name, "text or a list of blocks")
    return [part for part in _blocks(content, owner, name) if part != Text("")]


def _blocks(content: list[Any], owner: Fields, name: str) -> Iterator[Part]:
    for number, value in enumerate(content):
        if not isinstance(value, dict):
            owner.wrong(f"{name}.{number}", "a block")
        block = Fields(value, f"{owner.at(name)}.{number}", owner.lost)
        yield from _block(block)
        block.close()


def _block(block: Fields) -> Iterator[Part]:
    kind = block.text("type")
    cache = cache_of(block)
    match kind:
        case "text":
            block.lose("citations")
            yield Text(block.text("text"), cache)
        case "image":
            block.lose("transformations")
            yield _image(block, cache)
        case "document":
            yield from _document(block, cache)
        case "tool_use":
            yield _call(block, cache)
        case "tool_result":
            yield _result(block, cache)
        case "thinking":
            yield Thinking(block.text("thinking"), block.text("signature"))
        case "redacted_thinking":
            yield Thinking(redacted=block.text("data"))
        case _:
            block.refuse("type", "the other dialect has no such content")


def _image(block: Fields, cache: str) -> Media:
    source = _source(block)
    source.refuse_given(_ELSEWHERE, "file_id")
    image = Media("image", source.text("media_type"), source.text("data"), source.text("url"), cache=cache)
    _known(source, "base64", "url")
    return image


def _document(block: Fields, cache: str) -> Iterator[Part]:
    """A document: PDF by its data or its URL, plain text, or blocks that stand for it."""
    cited = block.object("citations")
    if cited is not None:
        cited.refuse_given("the other dialect does not cite", "enabled")
        cited.close()
    block.lose("context")
    title = block.text("title")
    source = _source(block)
    source.refuse_given(_ELSEWHERE, "file_id")
    if "content" in source:
        if title:
            block.report("title")
        yield from read_blocks(source, "content")
        _known(source, "content")
        return
    media_type, data, url = source.text("media_type"), source.text("data"), source.text("url")
    kind = _known(source, "base64", "url", "text")
    if kind == "text":
        yield Media("document", "text/plain", text=data, title=title, cache=cache)
    else:
        yield Media("document", media_type or "application/pdf", data, url, title=title, cache=cache)


def _source(block: Fields) -> Fields:
    source = block.object("source")
    if source is None:
        block.wrong("source", "an object")
    return source


def _known(source: Fields, *kinds: str) -> str:
    kind = source.text("type")
    if kind not in kinds:
        source.refuse("type", "the other dialect has no such source")
    source.close()
    return kind


def _call(block: Fields, cache: str) -> Call:
    block.refuse_given(_OWN_TOOLS, "toolset_name")
    caller = block.object("caller")
    if caller is not None:
        if caller.text("type") != "direct":
            caller.refuse("type", _OWN_TOOLS)
        caller.close()
    arguments = _encoder.encode(block.mapping("input") or {}).decode()
    return Call(block.text("id"), block.text("name"), arguments, cache)


def _result(block: Fields, cache: str) -> Result:
    block.refuse_given(_OWN_TOOLS, "toolset_name")
    parts: list[Text | Media] = []
    for part in read_blocks(block, "content"):
        if not isinstance(part, Text | Media):
            block.refuse("content", "the result of a tool is text, images or documents")
        parts.append(part)
    return Result(block.text("tool_use_id"), tuple(parts), bool(block.flag("is_error")), cache)
