"""What Anthropic answers, as bytes for a scripted provider."""

from __future__ import annotations

import json

from tests.support.upstream import streamed

USAGE = {"input_tokens": 9, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 0, "output_tokens": 7}


def message(text: str = "hello", *blocks: dict[str, object], stop: str = "end_turn") -> bytes:
    """Body of a message."""
    content = [{"type": "text", "text": text}, *blocks] if text else list(blocks)
    head = {"id": "msg_up", "type": "message", "role": "assistant", "model": "claude-up", "content": content}
    return json.dumps(head | {"stop_reason": stop, "stop_sequence": None, "usage": USAGE}, ensure_ascii=False).encode()


def event(kind: str, **fields: object) -> bytes:
    """One event of a streamed message."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields, ensure_ascii=False)}\n\n".encode()


def events(*texts: str) -> tuple[bytes, ...]:
    """The events of a streamed message."""
    head = json.loads(message("")) | {"content": [], "stop_reason": None, "usage": USAGE | {"output_tokens": 1}}
    deltas = (event("content_block_delta", index=0, delta={"type": "text_delta", "text": text}) for text in texts)
    return (
        event("message_start", message=head),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event("ping"),
        *deltas,
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 7}),
        event("message_stop"),
    )


def stream(*texts: str) -> bytes:
    """A whole streamed message, one HTTP chunk per event."""
    return streamed(*events(*texts))
