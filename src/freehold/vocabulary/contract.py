"""What the code around a model relies on, learned from answers."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Contract(msgspec.Struct, frozen=True, omit_defaults=True):
    """What every answer of a task has kept to so far.

    Each clause comes with the number of answers that support it (`support[clause]`). `form`: how an answer is to be
    read. `labels`: the closed set of answers. `json_schema`: a JSON Schema (draft 2020-12) with enums where values are
    closed. `tools`: argument schema by tool name. A contract learned from traffic is a description, not a promise,
    until a person signs it.
    """

    version: str
    form: Literal["label", "json", "tool_calls", "text"]
    n_answers: int
    labels: tuple[str, ...] = ()
    json_schema: dict[str, Any] | None = None
    tools: dict[str, dict[str, Any]] = {}
    max_chars: int = 0
    finish_reasons: tuple[str, ...] = ()
    support: dict[str, int] = {}
    signed_by: str = ""
