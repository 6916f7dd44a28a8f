"""Bedrock's Converse, of a provider."""

from .read_answer import read_answer, read_usage
from .read_stream import StreamReader
from .write_request import write_request

__all__ = ["StreamReader", "read_answer", "read_usage", "write_request"]
