"""The clauses of a contract: which of them an answer is subject to and keeps, and what they say in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec

from freehold.vocabulary import Clause, Contract, Unseen

from ._answers import Parsed, parse
from ._tally import tally
from .closed import unseen

LENGTH_SLACK: Final = 2
"""An answer may be this many times as long as the longest seen: the longest so far is a poor bound on the next."""

LATENCY_MS: Final = {"instant": 1_000.0, "attentive": 10_000.0, "patient": 60_000.0, "background": float("inf")}
"""Latency classes: the longest wait of each. One second keeps a person's flow of thought, ten their attention (Miller
1968; Nielsen 1993); a minute is what an HTTP client commonly waits."""

_NAMED = 12


class Given(NamedTuple):
    """An answer as it was given.

    Why it ended, how long it took (None: not known), what was asked to end it, and the language of its text ("" where
    nobody looked).
    """

    text: str
    finish_reason: str | None = None
    latency_ms: float | None = None
    stops: tuple[str, ...] = ()
    language: str = ""


def judge(contract: Contract, given: Given) -> dict[str, bool]:
    """Every clause that applies to an answer, and whether the answer keeps it.

    Clauses about what is not known of the answer do not apply. An answer that is not of the contract's form breaks
    that clause and is subject to none about what is inside.
    """
    found = dict(_outside(contract, given))
    one = parse(given.text)
    for name, kept in _inside(contract, one):
        found[name] = found.get(name, True) and kept
    return found


def learned(contract: Contract, answers: Sequence[Given]) -> tuple[Clause, ...]:
    """The contract's clauses, each with how many of the answers it was learned from it applies to and is kept by."""
    applies: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    values: dict[str, list[str]] = defaultdict(list)
    for given in answers:
        for name, keeps in judge(contract, given).items():
            applies[name] += 1
            kept[name] += keeps
        if contract.form == "label":
            values["labels"].append(given.text.strip())
        else:
            _values(contract, parse(given.text), values)
    rules = dict(_rules(contract, applies))
    return tuple(
        Clause(name, rule, applies[name], kept[name], _seen(name, values))
        for name, rule in rules.items()
        if applies[name]
    )


def _seen(name: str, values: dict[str, list[str]]) -> Unseen | None:
    return unseen(values[name]) if name in values else None


def _outside(contract: Contract, given: Given) -> Iterator[tuple[str, bool]]:
    """Clauses about an answer as a whole."""
    text = given.text
    if contract.form != "label" and contract.max_chars:
        yield "length", len(text) <= LENGTH_SLACK * contract.max_chars
    if contract.languages and given.language:
        yield "language", given.language in contract.languages
    if contract.finish_reasons and given.finish_reason is not None:
        yield "finish reason", given.finish_reason in contract.finish_reasons
        yield "not cut off", given.finish_reason != "length"
    if given.stops:
        yield "stops where asked", not any(stop in text for stop in given.stops)
    if contract.latency_class and given.latency_ms is not None:
        yield "latency", given.latency_ms <= LATENCY_MS[contract.latency_class]


def _inside(contract: Contract, one: Parsed) -> Iterator[tuple[str, bool]]:
    """Clauses about what an answer holds."""
    if contract.form == "label":
        yield "labels", one.text.strip() in contract.labels
    elif contract.form == "text":
        yield "not empty", bool(one.text.strip())
    elif contract.form == "json":
        is_json, value = strict_json(one.text)
        yield "is JSON", is_json
        if is_json:
            yield from tally(contract.json_schema or {}, value)
    else:
        yield "not empty", bool(one.text.strip())
        for name, arguments in called(one):
            yield "known tools", name in contract.tools
            for clause, kept in tally(contract.tools.get(name, {}), arguments):
                yield f"{name}: {clause}", kept


def strict_json(text: str) -> tuple[bool, Any]:
    """Whether a text is JSON and nothing else, and its value."""
    try:
        return True, msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False, None


def called(one: Parsed) -> Iterator[tuple[str, Any]]:
    """The tools that an answer calls, with their arguments."""
    if one.form == "tools":
        for call in cast("list[Any]", cast("dict[str, Any]", one.value)["tool_calls"]):
            fields = cast("dict[str, Any]", call) if isinstance(call, dict) else {}
            yield str(fields.get("name")), fields.get("arguments")


def _values(contract: Contract, one: Parsed, values: dict[str, list[str]]) -> None:
    """Collect what stood where the contract has a closed set."""
    if contract.form == "json" and one.form == "json":
        _collect(contract.json_schema or {}, one.value, "", values)
    for name, arguments in called(one) if contract.form == "tool_calls" else ():
        inner: dict[str, list[str]] = defaultdict(list)
        _collect(contract.tools.get(name, {}), arguments, "", inner)
        for clause, found in inner.items():
            values[f"{name}: {clause}"] += found
        values["known tools"].append(name)


def _collect(schema: dict[str, Any], value: Any, at: str, values: dict[str, list[str]]) -> None:
    if "enum" in schema and isinstance(value, str):
        values[f"{at or '/'} enum"].append(value)
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        for key, inner in cast("dict[str, Any]", schema.get("properties", {})).items():
            if key in fields:
                _collect(inner, fields[key], f"{at}/{key}", values)
    if isinstance(value, list) and "items" in schema:
        for item in cast("list[Any]", value):
            _collect(schema["items"], item, f"{at}[]", values)


def _rules(contract: Contract, applies: Counter[str]) -> Iterator[tuple[str, str]]:
    """Every clause that the contract can have, in words, in the order in which a person reads them."""
    if contract.form == "label":
        yield "labels", f"one of {len(contract.labels)} labels: {listed(contract.labels)}"
    yield "is JSON", "the whole answer is JSON"
    yield from schema_rules(contract.json_schema or {}, applies)
    yield "not empty", "the answer holds something"
    yield "known tools", f"calls only {listed(tuple(sorted(contract.tools)))}"
    for name, schema in sorted(contract.tools.items()):
        inner = Counter({key.removeprefix(f"{name}: "): n for key, n in applies.items() if key.startswith(f"{name}: ")})
        yield from ((f"{name}: {clause}", rule) for clause, rule in schema_rules(schema, inner))
    longest = LENGTH_SLACK * contract.max_chars
    yield "length", f"at most {longest:,} characters, {LENGTH_SLACK} times the longest seen"
    yield "language", f"in {listed(contract.languages)}"
    yield "finish reason", f"ends with {listed(contract.finish_reasons)}"
    yield "not cut off", "ends by itself, not at its limit of tokens"
    yield "stops where asked", "holds none of the stop sequences of its request"
    if contract.latency_class:
        yield "latency", f"{contract.latency_class}: {_wait(LATENCY_MS[contract.latency_class])}"


def schema_rules(schema: dict[str, Any], applies: Counter[str], at: str = "") -> Iterator[tuple[str, str]]:
    """The clauses of a schema in words; `applies` says how often each was met, so that optional keys can say so."""
    place = at or "/"
    if schema.get("type"):
        yield f"{place} type", f"is {kinds(schema)}"
    if "enum" in schema:
        yield f"{place} enum", f"one of {len(schema['enum'])}: {listed(tuple(map(shown, schema['enum'])))}"
    if "format" in schema:
        yield f"{place} format", f"has the format {schema['format']}"
    if schema.get("additionalProperties") is False:
        yield f"{place} no other keys", "has no keys but these"
    required = set(schema.get("required", ()))
    for key, inner in schema.get("properties", {}).items():
        if key in required:
            yield f"{at}/{key} required", "is always there"
        rules = list(schema_rules(inner, applies, f"{at}/{key}"))
        if rules and key not in required and applies[f"{place} type"]:
            share = applies[f"{at}/{key} type"] / applies[f"{place} type"]
            rules[0] = rules[0][0], f"{rules[0][1]}; optional, there in {100 * share:.1f} %"
        yield from rules
    if "items" in schema:
        yield from schema_rules(schema["items"], applies, f"{at}[]")


def kinds(schema: dict[str, Any]) -> str:
    """A schema's types in words."""
    found: str | list[str] = schema.get("type", "anything")
    return found if isinstance(found, str) else " or ".join(found)


def shown(value: Any) -> str:
    """A value of an enum as people read it."""
    return "null" if value is None else str(value)


def listed(names: Iterable[str]) -> str:
    """Some names in a row, the first dozen."""
    every = list(names)
    return ", ".join(every[:_NAMED]) + f" and {len(every) - _NAMED} more" * (len(every) > _NAMED)


def _wait(limit_ms: float) -> str:
    return "longer than a minute" if limit_ms == float("inf") else f"answered within {limit_ms / 1000:g} s"
