"""Chat completions, of a client and of a provider."""

from ._parts import Piece, cache_mark, file_of, image_of, lose_detail, read_content
from ._usage import chat_usage, responses_usage
from .read_answer import read_answer
from .read_request import read_request
from .read_stream import StreamReader
from .write_answer import write_answer
from .write_request import write_request
from .write_stream import StreamWriter

__all__ = [
    "Piece",
    "StreamReader",
    "StreamWriter",
    "cache_mark",
    "chat_usage",
    "file_of",
    "image_of",
    "lose_detail",
    "read_answer",
    "read_content",
    "read_request",
    "responses_usage",
    "write_answer",
    "write_request",
]
