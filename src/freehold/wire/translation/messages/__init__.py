"""Anthropic's Messages, of a client and of a provider."""

from .read_answer import read_answer, read_usage
from .read_request import read_request
from .read_stream import StreamReader
from .write_answer import write_answer
from .write_request import write_request
from .write_stream import StreamWriter

__all__ = ["StreamReader", "StreamWriter", "read_answer", "read_request", "read_usage", "write_answer", "write_request"]
