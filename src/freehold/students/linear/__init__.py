"""The classification student: one sparse linear scorer over words and character n-grams, with an out-of-scope gate."""
