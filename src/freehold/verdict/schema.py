"""The verdict as JSON, under a versioned schema: what `--json` prints and pages are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

import msgspec

from freehold.vocabulary import Verdict

from .scenarios import ScenarioRow

SCHEMA = "freehold.verdict/1"


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Every field of the verdict and `schema`; amounts are JSON numbers of US dollars, to a hundredth of a cent."""
    return {"schema": SCHEMA, **fields(verdict)}


def fields(struct: msgspec.Struct) -> dict[str, Any]:
    """Every field of a struct as plain JSON values, amounts as numbers."""
    return cast("dict[str, Any]", _plain(msgspec.to_builtins(struct, builtin_types=(Decimal,))))


def scenarios_json(rows: Sequence[ScenarioRow]) -> list[dict[str, Any]]:
    """The verdict under each scenario; amounts as in `as_json`."""
    return cast("list[dict[str, Any]]", _plain(msgspec.to_builtins(list(rows), builtin_types=(Decimal,))))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[Any]", value)]
    return value
