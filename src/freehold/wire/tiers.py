"""Service tiers as answers state them, in one form for the ledger."""

from __future__ import annotations

_STANDARD = frozenset({"default", "standard", "auto", "on_demand"})
"""How providers call the tier that their plain list price is for. "auto" is what was asked, where none is told."""


def service_tier(stated: str | None) -> str:
    """The tier as `Usage.service_tier` has it: "" for the standard one, else the provider's word in small letters."""
    if not stated or stated in _STANDARD:
        return ""
    word = stated.lower()
    return "" if word in _STANDARD else word


def joined(*words: str) -> str:
    """Several terms that each have a price, as one: those that are empty are left out."""
    return "+".join(filter(None, words))
