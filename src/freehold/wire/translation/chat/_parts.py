"""The content of messages as OpenAI's clients write it, in chat completions and in responses alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from freehold.wire.translation._hub import Media, Refusal, Text
from freehold.wire.translation._reading import Fields, cache_of
from freehold.wire.translation._urls import split_data_url, type_of_name

Piece = Text | Refusal | Media


def read_content(message: Fields, name: str, piece: Callable[[Fields], Piece]) -> list[Piece]:
    """The parts of a content that is text or a list of parts. Empty texts are left out: they say nothing."""
    content = message.any(name)
    if content is None:
        return []
    if isinstance(content, str):
        return [Text(content)] if content else []
    if not isinstance(content, list):
        message.wrong(name, "text or a list of parts")
    return [part for part in _pieces(content, message, name, piece) if part != Text("")]


def _pieces(content: list[object], message: Fields, name: str, piece: Callable[[Fields], Piece]) -> Iterator[Piece]:
    for number, value in enumerate(content):
        if isinstance(value, str):
            yield Text(value)
            continue
        if not isinstance(value, dict):
            message.wrong(f"{name}.{number}", "a part")
        fields = Fields(value, f"{message.at(name)}.{number}", message.lost)
        part = piece(fields)
        fields.close()
        yield part


def read_part(fields: Fields) -> Piece:
    """One part of a chat message."""
    kind = fields.text("type")
    cache = cache_mark(fields)
    if kind == "text":
        return Text(fields.text("text"), cache)
    if kind == "refusal":
        return Refusal(fields.text("refusal"))
    if kind == "image_url":
        image = fields.object("image_url")
        if image is None:
            fields.wrong("image_url", "an object")
        lose_detail(image)
        url = image.text("url")
        image.close()
        return image_of(fields, "image_url", url, cache)
    if kind == "file":
        file = fields.object("file")
        if file is None:
            fields.wrong("file", "an object")
        part = file_of(file, cache)
        file.close()
        return part
    return fields.refuse("type", "it is a kind of content that the other dialect does not have")


def image_of(fields: Fields, name: str, url: str, cache: str = "") -> Media:
    """An image by its URL, be it a `data:` URL."""
    if not url.startswith("data:"):
        return Media("image", url=url, cache=cache)
    found = split_data_url(url)
    if found is None:
        fields.refuse(name, "a data URL must hold base64")
    return Media("image", found[0], found[1], cache=cache)


def file_of(file: Fields, cache: str = "") -> Media:
    """A file by its base64 or its URL; one that lies with a provider cannot be sent to another."""
    file.refuse_given("the file lies with another provider; send its data", "file_id")
    title, data, url = file.text("filename"), file.text("file_data"), file.text("file_url")
    if url:
        return Media("document", url=url, title=title, cache=cache)
    bare = "" if data.startswith("data:") else data
    media_type, content = split_data_url(data) or (type_of_name(title), bare)
    if not content or not media_type:
        file.refuse("file_data", "it must be a data URL in base64, or base64 with a filename that tells its type")
    return Media("document", media_type, content, title=title, cache=cache)


def lose_detail(image: Fields) -> None:
    """Report how closely an image or a file should be looked at, where that is not left to the model."""
    if image.any("detail") not in (None, "auto"):
        image.report("detail")


def cache_mark(fields: Fields) -> str:
    """The lifetime that is asked for where the part ends what should be cached of the prompt, else "".

    `cache_control` is Anthropic's own mark, which OpenRouter and LiteLLM take in OpenAI's format.
    """
    theirs = cache_of(fields)
    mark = fields.object("prompt_cache_breakpoint")
    if mark is None:
        return theirs
    mark.ignore("mode")
    mark.lose("ttl")
    mark.close()
    return "default"
