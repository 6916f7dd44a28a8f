"""OpenAI's Responses, of a client."""

from .read_request import read_request
from .write_answer import write_answer
from .write_stream import StreamWriter

__all__ = ["StreamWriter", "read_request", "write_answer"]
