"""A screen for personal data that has a form of its own: patterns, confirmed by a checksum where there is one.

It finds e-mail addresses, payment cards (Luhn), IBANs (mod 97), telephone numbers and IP addresses. It does not find
names, postal addresses, or anything that only meaning gives away: a clean screen is not a promise of clean data.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_CARD = re.compile(r"(?<![\w-])(?:\d[ -]?){12,18}\d(?![\w-])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)")
_PHONE = re.compile(r"(?<![\w.])(?<!\d[ -])(?:\+|00)\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){6,11}(?![\w])")
_IP = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")


def personal_data(texts: Iterable[str]) -> set[str]:
    """The kinds found: `email`, `payment_card`, `iban`, `phone`, `ip_address`."""
    found: set[str] = set()
    for text in texts:
        if "@" in text and _EMAIL.search(text):
            found.add("email")
        if not any(c.isdigit() for c in text):
            continue
        if any(_luhn(match.group()) for match in _CARD.finditer(text)):
            found.add("payment_card")
        if any(_mod_97(match.group()) for match in _IBAN.finditer(text)):
            found.add("iban")
        if any(len(set(match.group()) - set(" .-+()")) > 2 for match in _PHONE.finditer(text)):
            found.add("phone")
        if any(_is_ip(match.group()) for match in _IP.finditer(text)):
            found.add("ip_address")
    return found


def _luhn(number: str) -> bool:
    """The checksum of payment cards (ISO/IEC 7812-1). A row of zeros passes it and is no card."""
    digits = [int(c) for c in number if c.isdigit()]
    doubled = (d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def _mod_97(iban: str) -> bool:
    """The checksum of ISO 13616."""
    compact = iban.replace(" ", "")
    return 15 <= len(compact) <= 34 and int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1


def _is_ip(text: str) -> bool:
    try:
        return not ipaddress.IPv4Address(text).is_unspecified
    except ValueError:
        return False
