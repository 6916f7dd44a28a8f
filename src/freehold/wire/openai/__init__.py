"""OpenAI's formats, read no further than Freehold needs: chat completions here, the other APIs in modules of their own.

The view of every request, in whatever dialect, is a `ChatRequest`.
"""

from ._author import completion, completion_chunks, estimate_tokens, stream_of
from ._errors import error_envelope, error_event, error_type
from ._request import ChatRequest, ContentPart, Message, StreamOptions, decode_request
from ._response import ChatResponse, UsageBody, answer_text, decode_response, finish_reason, usage_of
from ._stream import StreamAssembler

__all__ = [
    "ChatRequest",
    "ChatResponse",
    "ContentPart",
    "Message",
    "StreamAssembler",
    "StreamOptions",
    "UsageBody",
    "answer_text",
    "completion",
    "completion_chunks",
    "decode_request",
    "decode_response",
    "error_envelope",
    "error_event",
    "error_type",
    "estimate_tokens",
    "finish_reason",
    "stream_of",
    "usage_of",
]
