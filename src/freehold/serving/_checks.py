"""Does an answer keep the contract of its bundle? The containment of an owned model: it says nothing outside it."""

from __future__ import annotations

from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from freehold.vocabulary import Contract


class Checker:
    """A contract, ready to judge answers. Checks form, labels, schema, tools and length; not whether they are right."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._labels = frozenset(contract.labels)
        self._schema = None if contract.json_schema is None else Draft202012Validator(contract.json_schema)
        self._tools = {name: Draft202012Validator(schema) for name, schema in contract.tools.items()}

    def keeps(self, text: str) -> bool:
        """Whether `text` is an answer that the code behind the task can read."""
        match self._contract.form:
            case "label":
                return text in self._labels
            case "json":
                return self._keeps_schema(text)
            case "tool_calls":
                return self._keeps_tools(text)
            case "text":
                return True

    def _keeps_schema(self, text: str) -> bool:
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return False
        return self._schema is None or self._schema.is_valid(value)

    def _keeps_tools(self, text: str) -> bool:
        try:
            calls = msgspec.json.decode(text, type=_ToolCalls).tool_calls
        except (msgspec.DecodeError, RecursionError):
            return False
        return bool(calls) and all(
            call.name in self._tools and self._tools[call.name].is_valid(call.arguments) for call in calls
        )


class _ToolCall(msgspec.Struct, frozen=True):
    name: str
    arguments: Any


class _ToolCalls(msgspec.Struct, frozen=True):
    tool_calls: tuple[_ToolCall, ...]
