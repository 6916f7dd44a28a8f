"""Providers by the names that Freehold and its price lists give them, from those that other tools use."""

from __future__ import annotations

_NAMES = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "az.ai.openai": "azure",
    "az.ai.inference": "azure",
    "azure_ai": "azure",
    "azure_text": "azure",
    "azure-openai": "azure",
    "aws.bedrock": "bedrock",
    "aws_bedrock": "bedrock",
    "aws": "bedrock",
    "amazon_bedrock": "bedrock",
    "bedrock_converse": "bedrock",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "vertex_ai": "google",
    "vertex_ai_beta": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "vertex": "google",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "moonshot_ai": "moonshotai",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "text-completion-openai": "openai",
    "custom_openai": "openai",
    "langchain_openai": "openai",
}
_NONE = frozenset({"custom", "unknown", "none", "null", "_other"})


def provider(name: str) -> str:
    """The name under which a provider's prices and settings are found; one that is not known stays as it is."""
    lower = name.strip().lower()
    return "" if lower in _NONE else _NAMES.get(lower, lower)


def bare(model: str, told_by: str) -> str:
    """A model's name without its provider's before it, where a tool writes both: `openai/NAME`."""
    return model.removeprefix(f"{told_by}/") if told_by else model
