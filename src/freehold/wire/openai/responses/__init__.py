"""OpenAI's Responses API: requests, answers and streams, read no further than Freehold needs."""

from ._dialect import Responses

__all__ = ["Responses"]
