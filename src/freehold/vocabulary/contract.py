"""What the code around a model relies on, learned from answers."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Unseen(msgspec.Struct, frozen=True):
    """What tells how much of a closed set of values has not been seen yet.

    Of `n` values `distinct` are different, `once` of these came once and `twice` twice. Of the later half, `held_back`
    values, `outside` are none of those of the earlier half.
    """

    n: int
    distinct: int
    once: int
    twice: int
    held_back: int
    outside: int


class Clause(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that answers keep to: `kept` of the `n` answers that it was learned from and that it applies to.

    `name` says where and what ("/intent enum", "length"), `rule` says it in words. `unseen` is set for closed sets.
    """

    name: str
    rule: str
    n: int
    kept: int
    unseen: Unseen | None = None


class Contract(msgspec.Struct, frozen=True, omit_defaults=True):
    """What every answer of a task has kept to so far.

    Each clause comes with the number of answers that support it (`clauses`; `support[clause]` in contracts of earlier
    versions of Freehold, which have no `clauses`). `form`: how an answer is to be read. `labels`: the closed set of
    answers. `json_schema`: a JSON Schema (draft 2020-12) with enums where values are closed and formats where strings
    have one. `tools`: argument schema by tool name. `languages`: ISO 639-1 codes. `latency_class`: how long callers had
    to wait (`tasks.contracts.LATENCY_MS`). Learned from `n_answers` answers, a sample of `n_seen`, of calls from
    `from_us` to `until_us`. A contract learned from traffic is a description, not a promise, until a person signs it.
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
    clauses: tuple[Clause, ...] = ()
    languages: tuple[str, ...] = ()
    latency_class: str = ""
    n_seen: int = 0
    from_us: int = 0
    until_us: int = 0
