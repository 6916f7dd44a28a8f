"""From a task's calls to a data set: what is left out and why, counted; and a card that says what is in it.

Everything here is deterministic and keeps the earliest of equals. Rows about which the teacher is of two minds are
counted and kept: dropping disputed rows makes whole classes vanish. Knows nothing of truth, only of form.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from freehold.tasks.overlap import NearRepeats
from freehold.tasks.personal import personal_data
from freehold.vocabulary import Contract, Example

from ._text import normalise


class Rules(msgspec.Struct, frozen=True):
    """What may enter a data set.

    `near_duplicate`: Jaccard likeness of character 5-grams at which two inputs with the same answer count as one.
    `max_rows`: the newest are kept, `min_per_answer` of each answer before all others. `drop_personal` leaves rows
    out that the screen flags; by default they are only counted, because a student of a support desk needs them.
    """

    max_input_chars: int = 40_000
    max_answer_chars: int = 20_000
    max_repeated_lines: float = 0.5
    near_duplicate: float = 0.9
    max_rows: int = 50_000
    min_per_answer: int = 20
    drop_personal: bool = False


class Curated(msgspec.Struct, frozen=True):
    """A data set, in order of time, and its card."""

    examples: tuple[Example, ...]
    card: dict[str, Any]


def curate(examples: Sequence[Example], contract: Contract | None = None, rules: Rules | None = None) -> Curated:
    """Leave out what cannot teach, fold duplicates, screen for personal data, and describe the rest.

    The card holds counts and digests, never a text. It does not know copyright, consent, or personal data without a
    recognisable form (names, addresses). Curate what is learned from, not what a certificate is measured on: that must
    look like traffic, duplicates included.
    """
    rules = rules or Rules()
    ordered = sorted(examples, key=lambda example: (example.started_at_us, example.id))
    kept, dropped = _filtered(ordered, contract, rules)
    found = Counter[str]()
    flagged: set[str] = set()
    for example in kept:
        kinds = personal_data(example.inputs) | personal_data((example.answer,))
        found.update(kinds)
        if kinds:
            flagged.add(example.id)
    if rules.drop_personal:
        dropped["personal_data"] = len(flagged)
        kept = [example for example in kept if example.id not in flagged]
    unique = _without_exact(kept)
    conflicts = _conflicting(kept)
    distinct = _without_near(unique, rules.near_duplicate)
    capped = _capped(distinct, rules)
    removed = {
        "exact_duplicate": len(kept) - len(unique),
        "near_duplicate": len(unique) - len(distinct),
        "over_size_cap": len(distinct) - len(capped),
    }
    card = {
        "schema": "freehold.data_card/1",
        "rows_in": len(ordered),
        "rows": len(capped),
        "left_out": {**dict(sorted(dropped.items())), **removed},
        "conflicting_inputs": len(conflicts),
        "conflicting_rows": sum(conflicts.values()),
        "personal_data": {"rows_flagged": len(flagged), "kinds": dict(sorted(found.items()))},
        "rules": msgspec.to_builtins(rules),
        **_description(capped),
    }
    return Curated(tuple(capped), card)


def digest(examples: Iterable[Example]) -> str:
    """SHA-256 of a data set: its rows in order, every field."""
    sha = hashlib.sha256()
    for example in examples:
        sha.update(msgspec.json.encode(example))
        sha.update(b"\n")
    return sha.hexdigest()


def _filtered(
    examples: Sequence[Example], contract: Contract | None, rules: Rules
) -> tuple[list[Example], Counter[str]]:
    """The rows that pass every filter, and how many each filter took (the first one counts)."""
    filters = _filters(contract, rules)
    kept: list[Example] = []
    dropped: Counter[str] = Counter()
    for example in examples:
        name = next((name for name, fails in filters if fails(example)), "")
        if name:
            dropped[name] += 1
        else:
            kept.append(example)
    return kept, dropped


def _filters(contract: Contract | None, rules: Rules) -> list[tuple[str, Callable[[Example], bool]]]:
    filters: list[tuple[str, Callable[[Example], bool]]] = [
        ("empty_input", lambda e: not any(text.strip() for text in e.inputs)),
        ("empty_answer", lambda e: not e.answer.strip()),
        ("input_too_long", lambda e: sum(map(len, e.inputs)) > rules.max_input_chars),
        ("answer_too_long", lambda e: len(e.answer) > rules.max_answer_chars),
        ("repeated_lines", lambda e: _repeated_lines(e.answer) > rules.max_repeated_lines),
    ]
    if contract is not None and contract.form == "label" and contract.labels:
        allowed = {label.strip() for label in contract.labels}
        filters.append(("outside_contract", lambda e: e.answer.strip() not in allowed))
    if contract is not None and contract.form == "json":
        filters.append(("not_json", lambda e: not _is_json(e.answer)))
    return filters


def _repeated_lines(text: str) -> float:
    """The share of lines that repeat an earlier one: a model that went round in circles. Short texts never do."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return 1 - len(set(lines)) / len(lines) if len(lines) >= 4 else 0.0


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _key(example: Example) -> tuple[str, ...]:
    return tuple(normalise(text) for text in example.inputs)


def _without_exact(examples: Sequence[Example]) -> list[Example]:
    """One row for each (input, answer), case and white space of the input aside."""
    seen: set[tuple[tuple[str, ...], str]] = set()
    out: list[Example] = []
    for example in examples:
        key = (_key(example), example.answer)
        if key not in seen:
            seen.add(key)
            out.append(example)
    return out


def _conflicting(examples: Sequence[Example]) -> dict[tuple[str, ...], int]:
    """Inputs that were answered in more than one way, and how many rows each has."""
    answers: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for example in examples:
        answers[_key(example)][example.answer] += 1
    return {key: counts.total() for key, counts in answers.items() if len(counts) > 1}


def _without_near(examples: Sequence[Example], likeness: float) -> list[Example]:
    """One row of each set of near-equal inputs with the same answer."""
    known: dict[str, NearRepeats] = {}
    out: list[Example] = []
    for example in examples:
        same_answer = known.setdefault(example.answer, NearRepeats(likeness))
        if not same_answer.near("\x1f".join(_key(example))):
            out.append(example)
    return out


def _capped(examples: list[Example], rules: Rules) -> list[Example]:
    """The newest rows up to the cap, rare answers first so that no class vanishes; in order of time."""
    if len(examples) <= rules.max_rows:
        return examples
    newest = range(len(examples) - 1, -1, -1)
    rank: dict[int, int] = {}
    seen: Counter[str] = Counter()
    for i in newest:
        rank[i] = seen[examples[i].answer]
        seen[examples[i].answer] += 1
    order = sorted(newest, key=lambda i: (rank[i] >= rules.min_per_answer, -i))
    return [examples[i] for i in sorted(order[: rules.max_rows])]


def _description(examples: Sequence[Example]) -> dict[str, Any]:
    answers = Counter(example.answer for example in examples)
    lengths = sorted(sum(map(len, example.inputs)) for example in examples)
    return {
        "digest": digest(examples),
        "from": _date(examples[0].started_at_us) if examples else "",
        "to": _date(examples[-1].started_at_us) if examples else "",
        "distinct_answers": len(answers),
        "commonest_answer_share": round(max(answers.values()) / len(examples), 4) if examples else 0.0,
        "answers_seen_once": sum(count == 1 for count in answers.values()),
        "rows_with_gold": sum(example.gold is not None for example in examples),
        "input_chars": {
            name: lengths[min(int(share * len(lengths)), len(lengths) - 1)] if lengths else 0
            for name, share in (("p50", 0.5), ("p95", 0.95), ("max", 1.0))
        },
    }


def _date(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat(timespec="seconds")
