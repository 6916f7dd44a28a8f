"""What the code around a model relies on: learned from answers, and checked against them.

A teacher errs now and then, so a clause needs support: what few answers do is an error, not a rule. Where the prompt
itself lists the labels, that list is the rule. A contract describes what answers have been like; it is no promise until
a person signs it. `check` is light enough for the path of an answer; jsonschema is loaded at the first JSON check.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, cast

import msgspec

from freehold.vocabulary import Contract, Template

from ._answers import Answers, Parsed, parse
from ._labels import enumerated, supported
from ._schema import learn_schema

Form = Literal["label", "json", "tool_calls", "text"]

_MAIN_FORM = 0.5
_RARE = 0.002
_LENGTH_SLACK = 2
_TOO_MANY_COMPILED = 256
_decoder = msgspec.json.Decoder()


def learn(
    answers: Sequence[str],
    *,
    templates: Sequence[Template] = (),
    inputs: Sequence[Sequence[str]] = (),
    finish_reasons: Sequence[str | None] = (),
) -> Contract:
    """Learn a contract.

    Args:
        answers: canonical answers of one task.
        templates: the task's templates; their constant text is searched for a list of the labels.
        inputs: for each answer the call's inputs, so that values copied from them are not taken for a closed set.
        finish_reasons: for each answer why it ended, where that is known.
    """
    parsed = [parse(answer) for answer in answers]
    form = _form(parsed, tools=any(template.tools for template in templates))
    support: dict[str, int] = {}
    labels: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None
    tools: dict[str, dict[str, Any]] = {}
    kept = parsed
    if form == "label":
        counts = Counter(answer.text.strip() for answer in parsed)
        labels = enumerated(counts, templates) or supported(counts)
        kept = [answer for answer in parsed if answer.text.strip() in set(labels)]
        support["labels"] = len(kept)
    elif form == "json":
        pairs = [(p, "\n".join(inputs[i]) if inputs else None) for i, p in enumerate(parsed) if p.form == "json"]
        kept = [one for one, _ in pairs]
        schema = learn_schema([one.value for one, _ in pairs], [text for _, text in pairs])
        support["json_schema"] = len(kept)
    elif form == "tool_calls":
        tools, called = _tools(parsed)
        support.update({f"tools.{name}": count for name, count in sorted(called.items())})
    reasons = Counter(reason for reason in finish_reasons if reason)
    usual = tuple(sorted(r for r, count in reasons.items() if count >= _RARE * max(1, sum(reasons.values()))))
    longest = max((len(answer.text) for answer in kept), default=0)
    support["max_chars"] = len(kept)
    support["finish_reasons"] = sum(reasons[reason] for reason in usual)
    clauses = [form, labels, schema, tools, usual]
    version = hashlib.sha256(msgspec.json.encode(clauses, order="sorted")).hexdigest()[:12]
    return Contract(
        version=f"c{version}",
        form=form,
        n_answers=len(answers),
        labels=labels,
        json_schema=schema,
        tools=tools,
        max_chars=longest,
        finish_reasons=usual,
        support=support,
    )


def check(contract: Contract, answer: str) -> str | None:
    """How an answer breaks a contract, in words that hold nothing of the answer, or None where it keeps it.

    Text may be up to twice as long as the longest answer seen: the longest so far is a poor bound on the next.
    """
    if contract.form == "label":
        return None if answer.strip() in contract.labels else "the answer is none of the labels"
    if contract.form == "json":
        return _check_json(contract, answer)
    if contract.form == "tool_calls":
        return _check_tools(contract, answer)
    if not answer.strip():
        return "the answer is empty"
    too_long = contract.max_chars and len(answer) > _LENGTH_SLACK * contract.max_chars
    return f"the answer is longer than {_LENGTH_SLACK} times the longest seen" if too_long else None


def _form(parsed: Sequence[Parsed], *, tools: bool) -> Form:
    summed = Answers(parsed)
    if summed.share("tools") > (0.0 if tools else _MAIN_FORM):
        return "tool_calls"
    if summed.share("json") > _MAIN_FORM:
        return "json"
    return "label" if summed.closed else "text"


def _tools(parsed: Sequence[Parsed]) -> tuple[dict[str, dict[str, Any]], Counter[str]]:
    arguments: dict[str, list[Any]] = {}
    for one in parsed:
        if one.form != "tools":
            continue
        for call in cast("list[Any]", cast("dict[str, Any]", one.value)["tool_calls"]):
            if isinstance(call, dict):
                fields = cast("dict[str, Any]", call)
                arguments.setdefault(str(fields.get("name")), []).append(fields.get("arguments"))
    called = Counter({name: len(found) for name, found in arguments.items()})
    return {name: learn_schema(found, [None] * len(found)) for name, found in sorted(arguments.items())}, called


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
    for call in cast("list[Any]", cast("dict[str, Any]", one.value)["tool_calls"]):
        fields = cast("dict[str, Any]", call) if isinstance(call, dict) else {}
        schema = contract.tools.get(str(fields.get("name")))
        if schema is None:
            return "the answer calls a tool that was never called"
        reason = _breach(schema, fields.get("arguments"), "a tool's arguments")
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
        validator = _compiled[key] = Draft202012Validator(schema)
    error = next(iter(validator.iter_errors(value)), None)
    if error is None:
        return None
    place = "/".join(str(step) for step in error.schema_path)
    return f"{what} breaks the schema at {place}"
