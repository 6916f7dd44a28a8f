"""Dates and times inside prompts: they vary with the calendar even where a log is too short to show it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from freehold.vocabulary import Slot

from ._align import Gap, Pieces

_NAMES_WORDS = """
january february march april may june july august september october november december jan feb mar apr jun jul aug
sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun januar
februar märz mai juni juli oktober dezember montag dienstag mittwoch donnerstag freitag samstag sonntag janvier
février mars avril juin juillet août septembre octobre novembre décembre lundi mardi mercredi jeudi vendredi samedi
dimanche enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre lunes martes
miércoles jueves viernes sábado domingo gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre
lunedì martedì mercoledì giovedì venerdì sabato domenica janeiro fevereiro março maio junho julho setembro outubro
novembro dezembro januari februari maart augustus maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
"""
_NAMES = _NAMES_WORDS.split()
_NAME = "|".join(sorted(map(re.escape, _NAMES), key=len, reverse=True))
_CLOCK = (
    r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\s?[AaPp]\.?[Mm]\b\.?)?(?:\s?(?:Z|UTC|GMT|[A-Z]{2,4}T|[+-]\d{2}:?\d{2})\b)?"
)
_ZONED_DAY = rf"\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?:[T ]{_CLOCK})?"
_DAY = r"\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"
_NAMED = (
    rf"(?:(?:{_NAME})\.?,?\s+)?(?:\d{{1,2}}(?:st|nd|rd|th|\.)?\s+(?:de\s+|of\s+)?(?:{_NAME})\.?,?(?:\s+(?:de\s+)?\d{{4}})"
    rf"|(?:{_NAME})\.?\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+\d{{4}})"
)
_HAN = r"\d{4}\s?[年년]\s?\d{1,2}\s?[月월]\s?\d{1,2}\s?[日일]"
_DATE = re.compile(rf"(?<![\w])(?:{_ZONED_DAY}|{_DAY}|{_NAMED}|{_HAN})(?:,?\s{_CLOCK})?(?![\w])", re.IGNORECASE)
_FRAGMENT = rf"(?:{_NAME}|\d+|st|nd|rd|th|[年月日년월일]|[\s,./:-])"
_HEAD = re.compile(rf"^(?:[\s,./:-]*(?:\b(?:{_NAME})\b\.?|\d{{1,4}}(?!\w)|[年月日년월일]))+", re.IGNORECASE)
_TAIL = re.compile(rf"(?:(?:\b(?:{_NAME})\b\.?|(?<!\w)\d{{1,4}}|[年月日년월일])[\s,./:-]*)+$", re.IGNORECASE)
_ONLY_DATE = re.compile(rf"{_FRAGMENT}+", re.IGNORECASE)


def absorb_dates(pieces: Pieces, columns: Sequence[Sequence[str]]) -> Pieces:
    """Where a gap holds only parts of dates, take the date's other parts from the literals beside it.

    A log of one October shows "05" varying and "October 2026" constant; next month's calls must match all the same.
    """
    found = list(pieces)
    gap = -1
    for i, piece in enumerate(pieces):
        if not isinstance(piece, Gap):
            continue
        gap += 1
        values = columns[gap]
        if not values or not all(_ONLY_DATE.fullmatch(value) for value in values):
            continue
        before, after = found[i - 1] if i else "", found[i + 1] if i + 1 < len(found) else ""
        if isinstance(before, str) and i and (cut := _TAIL.search(before)) and cut.start():
            found[i - 1] = before[: cut.start()]
        if isinstance(after, str) and (cut := _HEAD.match(after)) and cut.end() < len(after):
            found[i + 1] = after[cut.end() :]
    return found


def mask_dates(pieces: tuple[str | Slot, ...]) -> tuple[str | Slot, ...]:
    """Put a slot that is no input in place of every whole date (with its time) in literal text."""
    found: list[str | Slot] = []
    count = 0
    for piece in pieces:
        if isinstance(piece, Slot):
            found.append(piece)
            continue
        at = 0
        for date in _DATE.finditer(piece):
            touches = (date.start() == 0 and found) or (date.end() == len(piece) and piece is not pieces[-1])
            if touches:
                continue
            count += 1
            if date.start() > at:
                found.append(piece[at : date.start()])
            found.append(Slot("date" if count == 1 else f"date_{count}", is_input=False))
            at = date.end()
        if at < len(piece):
            found.append(piece[at:])
    return tuple(found)
