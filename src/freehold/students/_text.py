"""How students read text: the one normalisation that trainers and runtimes share."""

from __future__ import annotations

import unicodedata


def normalise(text: str) -> str:
    """Compatibility-composed, case-folded, runs of white space as one space. Accents stay: they tell words apart."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
