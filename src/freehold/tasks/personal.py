"""A screen for personal data that has a form of its own: patterns, confirmed by a checksum where there is one.

It finds e-mail addresses, payment cards (Luhn), IBANs (mod 97), telephone numbers in international form, IP addresses
and national identity numbers, by the checks of python-stdnum. A number of digits alone passes a checksum by chance in
one of ten to a hundred cases, so it counts only behind a word that says what it is, as in "BSN 111222333". It does not
find names, postal addresses, or anything that only meaning gives away: a clean screen is not a promise of clean data.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import Final, NamedTuple, cast

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_CARD = re.compile(r"(?<![\w-])(?:\d[ -]?){12,18}\d(?![\w-])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)")
_PHONE = re.compile(r"(?<![\w.])(?<!\d[ -])(?:\+|00)\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){6,11}(?![\w])")
_IP = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){3,7}[0-9A-Fa-f]{1,4}(?![\w:.])")
_WORDS_BEFORE = 40


class _National(NamedTuple):
    """A national identity number: its form, the check of python-stdnum it passes, the words it must stand behind."""

    kind: str
    form: re.Pattern[str]
    check: str
    words: re.Pattern[str] | None = None


def _number(kind: str, form: str, check: str, words: str = "") -> _National:
    """A kind of number; not part of a longer word or number, a point before it or a decimal after it included."""
    whole = re.compile(rf"(?<![\w.,-])(?:{form})(?![\w-]|[.,]\d)")
    said = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) if words else None
    return _National(kind, whole, check, said)


NATIONAL: Final = (
    _number("es_dni", r"\d{8}-?[A-Z]|[XYZ]-?\d{7}-?[A-Z]", "es.nif"),
    _number("it_codice_fiscale", r"[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]", "it.codicefiscale"),
    _number("fr_nir", r"[12] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}", "fr.nir"),
    _number("br_cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}", "br.cpf"),
    _number("se_personnummer", r"(?:\d{2})?\d{6}[-+]\d{4}", "se.personnummer"),
    _number("us_ssn", r"\d{3}-\d{2}-\d{4}", "us.ssn"),
    _number("us_ssn", r"\d{9}", "us.ssn", r"ssn|social security(?: number| no)?"),
    _number("be_nn", r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", "be.nn"),
    _number("de_idnr", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", "de.idnr", r"steuer-?id\w*|idnr|steueridentifikationsnummer|tin"),
    _number("nl_bsn", r"\d{9}|\d{4}\.\d{2}\.\d{3}", "nl.bsn", r"bsn|burgerservicenummer|sofinummer"),
    _number("gb_nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", "gb.nhs", r"nhs(?: number| no)?"),
    _number("pl_pesel", r"\d{11}", "pl.pesel", r"pesel"),
    _number("br_cpf", r"\d{11}", "br.cpf", r"cpf"),
    _number("in_aadhaar", r"\d{4} ?\d{4} ?\d{4}", "in_.aadhaar", r"aadhaar|aadhar|uidai"),
)
"""The national identity numbers that are known, with the modules of python-stdnum that check them."""


def personal_data(texts: Iterable[str]) -> set[str]:
    """The kinds found: `email`, `payment_card`, `iban`, `phone`, `ip_address`, `national_id`."""
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
        if any(_is_ip(match.group()) for form in (_IP, _IPV6) for match in form.finditer(text)):
            found.add("ip_address")
        if any(_holds(text, one) for one in NATIONAL):
            found.add("national_id")
    return found


def _holds(text: str, one: _National) -> bool:
    if one.words is not None and one.words.search(text) is None:
        return False
    for match in one.form.finditer(text):
        before = text[max(0, match.start() - _WORDS_BEFORE) : match.start()]
        if (one.words is None or one.words.search(before)) and _check(one.check)(match.group()):
            return True
    return False


@cache
def _check(module: str) -> Callable[[str], bool]:
    return cast("Callable[[str], bool]", import_module(f"stdnum.{module}").is_valid)


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
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False
