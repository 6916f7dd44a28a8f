"""A completions request of a client."""

from __future__ import annotations

from freehold.wire.translation._hub import Request, Text, Turn
from freehold.wire.translation._reading import Fields, decode
from freehold.wire.translation.chat.read_request import read_stop

_DEFAULT_MAX_TOKENS = 16
"""What OpenAI's reference gives as the limit where a completions request names none."""


def read_request(body: bytes) -> Request:
    """Read it.

    Raises:
        BadRequest: see `Translation.request`.
    """
    fields = decode(body, "completions request")
    limit = fields.integer("max_tokens")
    options = fields.object("stream_options")
    request = Request(
        model=fields.text("model"),
        turns=[Turn("user", [Text(_prompt(fields))], "prompt")],
        names={"turns": "prompt"},
        lost=fields.lost,
        max_tokens=_DEFAULT_MAX_TOKENS if limit is None else limit,
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        top_k=fields.integer("top_k"),
        stop=read_stop(fields),
        seed=fields.integer("seed"),
        frequency_penalty=fields.number("frequency_penalty") or None,
        presence_penalty=fields.number("presence_penalty") or None,
        logit_bias=fields.mapping("logit_bias"),
        user=fields.text("user") or None,
        stream=bool(fields.flag("stream")),
    )
    if options is not None:
        request.include_usage = bool(options.flag("include_usage"))
        options.lose("include_obfuscation")
        options.close()
    for name in ("n", "best_of"):
        if fields.integer(name) not in (None, 1):
            fields.refuse(name, "the other dialect gives one answer to a call")
    if fields.any("logprobs") is not None:
        fields.refuse("logprobs", "the other dialect does not give them")
    fields.refuse_given("a model of chats answers a prompt, and does not fill in around it", "echo", "suffix")
    fields.close()
    return request


def _prompt(fields: Fields) -> str:
    fields.need("prompt")
    prompt = fields.any("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if isinstance(prompt, str):
        return prompt
    return fields.refuse("prompt", "the other dialect answers one prompt of text at a time")
