"""Anthropic's Messages, of a client and of a provider."""
