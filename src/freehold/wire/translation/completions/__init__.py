"""OpenAI's older completions, of a client: a prompt becomes a user's turn, and the answer its text."""

from .read_request import read_request
from .write_answer import StreamWriter, write_answer

__all__ = ["StreamWriter", "read_request", "write_answer"]
