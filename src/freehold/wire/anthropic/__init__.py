"""Anthropic's Messages API: requests, answers, streams and errors, read no further than Freehold needs."""

from .messages import Messages

__all__ = ["Messages"]
