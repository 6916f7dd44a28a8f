"""Students of tasks that are answered in JSON: closed values by linear scorers, copied values by a tagger of tokens."""
