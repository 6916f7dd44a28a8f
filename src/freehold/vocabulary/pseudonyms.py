"""What an end user is called where their name is not kept."""

from __future__ import annotations

import hashlib
import hmac


def pseudonym(name: str, pepper: bytes) -> str:
    """HMAC-SHA-256 of a name, 16 hexadecimal digits.

    Equal names stay equal, and only who holds the pepper can test a guess.
    """
    return hmac.new(pepper, name.encode(), hashlib.sha256).hexdigest()[:16]
