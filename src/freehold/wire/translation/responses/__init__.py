"""OpenAI's Responses, of a client."""
