"""Anthropic's Messages API: requests, answers, streams and errors, read no further than Freehold needs."""

from ._errors import error_type
from .messages import Messages

__all__ = ["Messages", "error_type"]
