"""Bedrock's Converse, of a provider."""

from .read_answer import read_answer
from .read_stream import StreamReader
from .write_request import write_request

__all__ = ["StreamReader", "read_answer", "write_request"]
