"""What the code around a model relies on: learned from answers, and checked against them.

A teacher errs now and then, so a clause needs support: what few answers do is an error, not a rule. Where the prompt
itself lists the labels, that list is the rule. A contract describes what answers have been like; it is no promise until
a person signs it. `check` is light enough for the path of an answer; jsonschema is loaded at the first JSON check.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, Literal

import msgspec

from freehold.vocabulary import Contract, Template

from ._answers import Answers, Parsed, parse
from ._clauses import LATENCY_MS, LENGTH_SLACK, Given, called, judge, learned
from ._differences import Difference, differences
from ._formats import FORMATS
from ._labels import enumerated, supported
from ._schema import learn_schema

__all__ = ["LATENCY_MS", "Difference", "Given", "check", "differences", "judge", "learn"]

Form = Literal["label", "json", "tool_calls", "text"]

_MAIN_FORM = 0.5
_RARE = 0.002
_RARE_LANGUAGE = 0.01
_FEW = 5
_MOSTLY = 0.98
_ENOUGH = 30
_TOO_MANY_COMPILED = 256
_decoder = msgspec.json.Decoder()


def learn(
    answers: Sequence[str | Given],
    *,
    templates: Sequence[Template] = (),
    inputs: Sequence[Sequence[str]] = (),
    finish_reasons: Sequence[str | None] = (),
    n_seen: int = 0,
    between_us: tuple[int, int] = (0, 0),
) -> Contract:
    """Learn a contract.

    Args:
        answers: canonical answers of one task in order of time; as `Given`, with how they ended and what they took.
        templates: the task's templates; their constant text is searched for a list of the labels.
        inputs: for each answer the call's inputs, so that values copied from them are not taken for a closed set.
        finish_reasons: for each answer why it ended, where that is known and the answers are bare texts.
        n_seen: how many answers there were, if `answers` is a sample of them.
        between_us: when the first and the last call were made.
    """
    reasons = list(finish_reasons) or [None] * len(answers)
    given = [Given(a, reason) if isinstance(a, str) else a for a, reason in zip(answers, reasons, strict=True)]
    parsed = [parse(answer.text) for answer in given]
    form = _form(parsed, tools=any(template.tools for template in templates))
    usual = _usual(Counter(answer.finish_reason for answer in given if answer.finish_reason), _RARE)
    found = Contract(
        version="",
        form=form,
        n_answers=len(answers),
        finish_reasons=usual,
        languages=_languages(given) if form == "text" else (),
        latency_class=_latency_class([one.latency_ms for one in given if one.latency_ms is not None]),
        n_seen=max(n_seen, len(answers)),
        from_us=between_us[0],
        until_us=between_us[1],
    )
    return _described(_with_content(found, parsed, templates, inputs), given)


def _with_content(
    found: Contract, parsed: Sequence[Parsed], templates: Sequence[Template], inputs: Sequence[Sequence[str]]
) -> Contract:
    """The contract with what the answers hold: labels, a schema or tools, and how long they are."""
    labels: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None
    tools: dict[str, dict[str, Any]] = {}
    kept = parsed
    if found.form == "label":
        counts = Counter(answer.text.strip() for answer in parsed)
        labels = enumerated(counts, templates) or supported(counts)
        kept = [answer for answer in parsed if answer.text.strip() in set(labels)]
    elif found.form == "json":
        pairs = [(p, "\n".join(inputs[i]) if inputs else None) for i, p in enumerate(parsed) if p.form == "json"]
        kept = [one for one, _ in pairs]
        schema = learn_schema([one.value for one, _ in pairs], [text for _, text in pairs])
    elif found.form == "tool_calls":
        tools = _tools(parsed)
    longest = max((len(answer.text) for answer in kept), default=0)
    return msgspec.structs.replace(found, labels=labels, json_schema=schema, tools=tools, max_chars=longest)


def _described(found: Contract, given: Sequence[Given]) -> Contract:
    """The contract with its version, and with how many of the answers support each clause."""
    rules: list[Any] = [found.form, found.labels, found.json_schema, found.tools, found.finish_reasons]
    # What earlier versions of Freehold did not learn counts only where it is there: their contracts stay as they are.
    rules += [name for name in (found.languages, found.latency_class) if name]
    digest = hashlib.sha256(msgspec.json.encode(rules, order="sorted")).hexdigest()[:12]
    clauses = learned(found, given)
    support = {clause.name: clause.kept for clause in clauses}
    return msgspec.structs.replace(found, version=f"c{digest}", clauses=clauses, support=support)


def _usual(counts: Counter[str], rare: float) -> tuple[str, ...]:
    return tuple(sorted(name for name, count in counts.items() if count >= rare * max(1, counts.total())))


def _languages(given: Sequence[Given]) -> tuple[str, ...]:
    """The languages that nearly all texts are in, () where that is no small set or too few texts say."""
    counts = Counter(one.language for one in given if one.language)
    usual = _usual(counts, _RARE_LANGUAGE)
    known = sum(counts[code] for code in usual)
    return usual if counts.total() >= _ENOUGH and len(usual) <= _FEW and known >= _MOSTLY * counts.total() else ()


def _latency_class(waits_ms: Sequence[float]) -> str:
    """The first class that 95 % of the answers came within."""
    if len(waits_ms) < _ENOUGH:
        return ""
    p95 = sorted(waits_ms)[math.ceil(0.95 * len(waits_ms)) - 1]
    return next(name for name, longest in LATENCY_MS.items() if p95 <= longest)


def check(contract: Contract, answer: str) -> str | None:
    """How an answer breaks a contract, in words that hold nothing of the answer, or None where it keeps it.

    For the path of an answer: it looks at what the answer holds (form, labels, schema with enums and formats, tools)
    and at a text's length. `judge` looks at every clause, and says of each whether it is kept.
    """
    if contract.form == "label":
        return None if answer.strip() in contract.labels else "the answer is none of the labels"
    if contract.form == "json":
        return _check_json(contract, answer)
    if contract.form == "tool_calls":
        return _check_tools(contract, answer)
    if not answer.strip():
        return "the answer is empty"
    too_long = contract.max_chars and len(answer) > LENGTH_SLACK * contract.max_chars
    return f"the answer is longer than {LENGTH_SLACK} times the longest seen" if too_long else None


def _form(parsed: Sequence[Parsed], *, tools: bool) -> Form:
    summed = Answers(parsed)
    if summed.share("tools") > (0.0 if tools else _MAIN_FORM):
        return "tool_calls"
    if summed.share("json") > _MAIN_FORM:
        return "json"
    return "label" if summed.closed else "text"


def _tools(parsed: Sequence[Parsed]) -> dict[str, dict[str, Any]]:
    arguments: dict[str, list[Any]] = {}
    for one in parsed:
        for name, found in called(one):
            arguments.setdefault(name, []).append(found)
    return {name: learn_schema(found, [None] * len(found)) for name, found in sorted(arguments.items())}


def _check_json(contract: Contract, answer: str) -> str | None:
    try:
        value = _decoder.decode(answer)
    except (msgspec.DecodeError, RecursionError):
        return "the answer is not JSON"
    return _breach(contract.json_schema, value, "the answer")


def _check_tools(contract: Contract, answer: str) -> str | None:
    one = parse(answer)
    if one.form != "tools":
        return None if one.text.strip() else "the answer is empty"
    for name, arguments in called(one):
        schema = contract.tools.get(name)
        if schema is None:
            return "the answer calls a tool that was never called"
        reason = _breach(schema, arguments, "a tool's arguments")
        if reason is not None:
            return reason
    return None


_compiled: dict[str, Any] = {}


def _breach(schema: dict[str, Any] | None, value: Any, what: str) -> str | None:
    if not schema:
        return None
    key = msgspec.json.encode(schema).decode()
    validator = _compiled.get(key)
    if validator is None:
        from jsonschema import Draft202012Validator

        if len(_compiled) >= _TOO_MANY_COMPILED:
            _compiled.clear()
        validator = _compiled[key] = Draft202012Validator(schema, format_checker=_formats())
    error = next(iter(validator.iter_errors(value)), None)
    if error is None:
        return None
    place = "/".join(str(step) for step in error.schema_path)
    return f"{what} breaks the schema at {place}"


@cache
def _formats() -> Any:
    """The formats as jsonschema wants them: those that contracts are learned with, read in the same way."""
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    for name, has in FORMATS.items():
        checker.checks(name)(partial(_has, has))
    return checker


def _has(has: Callable[[str], bool], value: object) -> bool:
    return not isinstance(value, str) or has(value)
