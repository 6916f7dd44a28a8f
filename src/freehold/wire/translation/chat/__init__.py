"""Chat completions, of a client and of a provider."""
