"""OpenAI's older completions, of a client."""
