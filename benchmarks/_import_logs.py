"""Logs of records of about 2 kB in every format that `freehold import` reads, as their tools write them.

Every function writes a log of so many calls into a folder and gives its files. Each line of a Batch file, each span,
each row and each element of an array has about 2 kB.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_WORDS = [
    "late",
    "parcel",
    "order",
    "refund",
    "the",
    "address",
    "of",
    "my",
    "delivery",
    "please",
    "help",
    "café",
    "“quoted”",
    "with\nlines",
]
_FIRST_S = 1_791_158_400
_FIRST = datetime.fromtimestamp(_FIRST_S, UTC)
_FILLER = "Read the whole message. "
Writer = Callable[[Path, int], list[Path]]


def asked(n: int, fillers: int = 30) -> dict[str, Any]:
    rng = random.Random(n)
    text = " ".join(rng.choices(_WORDS, k=60))
    system = "You sort messages of a shop into classes.\n" + _FILLER * fillers
    return {
        "model": "gpt-4o-mini",
        "temperature": 0,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": f"{n}: {text}"}],
    }


def answered(n: int, text: str = "delivery_late") -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": f"chatcmpl-{n:024d}",
        "object": "chat.completion",
        "created": _FIRST_S + n,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 310,
            "completion_tokens": 4,
            "total_tokens": 314,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
    }


def _at(n: int, ms: int = 0) -> str:
    return (_FIRST + timedelta(seconds=n, milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _lines(path: Path, records: Iterable[dict[str, Any]]) -> list[Path]:
    with path.open("w") as file:
        for one in records:
            file.write(json.dumps(one) + "\n")
    return [path]


def _table(path: Path, records: Iterator[dict[str, Any]]) -> list[Path]:
    """A CSV: JSON in its cells where a value is no text or number, nothing where it is None."""
    with path.open("w", newline="") as file:
        writer: Any = csv.writer(file)
        for number, one in enumerate(records):
            if not number:
                writer.writerow(one)
            cells = ("" if v is None else json.dumps(v) if isinstance(v, (dict, list)) else v for v in one.values())
            writer.writerow(list(cells))
    return [path]


def calls(folder: Path, count: int) -> list[Path]:
    return _lines(
        folder / "calls.jsonl",
        (
            {"id": f"c{n}", "started_at": _FIRST_S + n, "latency_ms": 500.5, "provider": "openai",
             "request": asked(n), "response": answered(n)}
            for n in range(count)
        ),
    )  # fmt: skip


def pairs(folder: Path, count: int) -> list[Path]:
    return _lines(folder / "pairs.jsonl", ({"request": asked(n, 35), "response": answered(n)} for n in range(count)))


def texts(folder: Path, count: int) -> list[Path]:
    return _lines(
        folder / "texts.jsonl",
        ({"request": json.dumps(asked(n)), "response": json.dumps(answered(n))} for n in range(count)),
    )


def array(folder: Path, count: int) -> list[Path]:
    path = folder / "array.json"
    with path.open("w") as file:
        file.write("[")
        for n in range(count):
            file.write(",\n" * (n > 0) + json.dumps({"request": asked(n), "response": answered(n)}, indent=1))
        file.write("]")
    return [path]


def tuning(folder: Path, count: int) -> list[Path]:
    return _lines(
        folder / "tuning.jsonl",
        (
            {"messages": [*asked(n, 36)["messages"], {"role": "assistant", "content": "delivery_late" * 40}]}
            for n in range(count)
        ),
    )


def batch(folder: Path, count: int) -> list[Path]:
    order = list(range(count))
    random.Random(1).shuffle(order)
    answers = (
        {"id": f"batch_req_{n}", "custom_id": f"request-{n}", "error": None,
         "response": {"status_code": 200, "request_id": f"req_{n}", "body": answered(n, "delivery_late " * 100)}}
        for n in order
    )  # fmt: skip
    questions = (
        {"custom_id": f"request-{n}", "method": "POST", "url": "/v1/chat/completions", "body": asked(n, 54)}
        for n in range(count)
    )
    return _lines(folder / "in.jsonl", questions) + _lines(folder / "out.jsonl", answers)


def stored(folder: Path, count: int) -> list[Path]:
    path = folder / "pages.json"
    with path.open("w") as file:
        for start in range(0, count, 100):
            data = [answered(n) | {"messages": asked(n, 38)["messages"]} for n in range(start, min(count, start + 100))]
            file.write(json.dumps({"object": "list", "data": data, "has_more": True}) + "\n")
    return [path]


def openpipe(folder: Path, count: int) -> list[Path]:
    return _lines(
        folder / "pipe.jsonl",
        (
            {"input": asked(n, 36)["messages"], "output": answered(n), "tags": {"prompt_id": "sort", "n": n}}
            for n in range(count)
        ),
    )


def _spent(n: int, fillers: int = 0) -> dict[str, Any]:
    """A row of LiteLLM's table of spend, prompts stored."""
    answer = answered(n)
    return {
        "request_id": answer["id"],
        "call_type": "acompletion",
        "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
        "spend": 0.0000489,
        "total_tokens": 314,
        "prompt_tokens": 310,
        "completion_tokens": 4,
        "startTime": _at(n),
        "endTime": _at(n, 900),
        "completionStartTime": _at(n, 400),
        "model": "gpt-4o-mini",
        "model_group": "small",
        "custom_llm_provider": "openai",
        "user": "default_user_id",
        "metadata": {
            "user_api_key_alias": "shop-backend",
            "user_api_key_team_alias": "shop",
            "status": "success",
            "usage_object": answer["usage"],
        },
        "cache_hit": "False",
        "request_tags": ["checkout", "eu"],
        "team_id": "team-7",
        "end_user": f"customer-{n % 1000}",
        "session_id": f"s-{n // 4}",
        "status": "success",
        "messages": {},
        "response": answer,
        "proxy_server_request": asked(n, fillers),
    }


def litellm(folder: Path, count: int) -> list[Path]:
    return _lines(folder / "spend.jsonl", map(_spent, range(count)))


def litellm_csv(folder: Path, count: int) -> list[Path]:
    return _table(folder / "spend.csv", (_spent(n, 5) for n in range(count)))


def _observed(n: int, fillers: int) -> dict[str, Any]:
    """What both versions of Langfuse's observations say."""
    return {
        "id": f"{n:016x}",
        "traceId": f"{n + 1:032x}",
        "startTime": _at(n),
        "endTime": _at(n, 900),
        "completionStartTime": _at(n, 400),
        "projectId": "cl0example",
        "parentObservationId": f"{n + 7:016x}",
        "type": "GENERATION",
        "name": "sort-mail",
        "level": "DEFAULT",
        "statusMessage": None,
        "version": None,
        "environment": "production",
        "userId": f"customer-{n % 1000}",
        "sessionId": f"s-{n // 4}",
        "createdAt": _at(n, 1000),
        "updatedAt": _at(n, 1001),
        "input": asked(n, fillers)["messages"],
        "output": {"role": "assistant", "content": "delivery_late"},
        "metadata": {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini"},
        "modelParameters": {"temperature": 0, "max_tokens": 5},
        "promptName": "sorter",
        "promptVersion": 4,
        "traceName": "inbox",
        "tags": ["mail", "eu"],
    }


def _observed_v1(n: int) -> dict[str, Any]:
    usage = {"input": 310, "output": 4, "total": 314, "unit": "TOKENS", "inputCost": 4e-05, "outputCost": 2e-06}
    return {**_observed(n, 18), "model": "gpt-4o-mini", "usage": usage, "calculatedTotalCost": 4.89e-05}


def _observed_v2(n: int, fillers: int = 16) -> dict[str, Any]:
    details = {"input": 230, "input_cached_tokens": 80, "output": 4, "total": 314}
    costs = {"input": 4e-05, "input_cached_tokens": 6e-06, "output": 2e-06, "total": 4.89e-05}
    more = {"providedModelName": "gpt-4o-mini", "usageDetails": details, "costDetails": costs, "totalCost": 4.89e-05}
    return {**_observed(n, fillers), **more}


def langfuse_v1(folder: Path, count: int) -> list[Path]:
    return _lines(folder / "observations.jsonl", map(_observed_v1, range(count)))


def langfuse_v2(folder: Path, count: int) -> list[Path]:
    return _lines(folder / "observations.jsonl", map(_observed_v2, range(count)))


def langfuse_csv(folder: Path, count: int) -> list[Path]:
    return _table(folder / "observations.csv", (_observed_v2(n, 31) for n in range(count)))


def _helped(n: int) -> dict[str, Any]:
    return {
        "request_id": f"{n:08x}-0000-4000-8000-000000000000",
        "request_created_at": _at(n),
        "request_body": asked(n, 3),
        "request_path": "https://oai.helicone.ai/v1/chat/completions",
        "request_user_id": f"customer-{n % 1000}",
        "request_properties": {"Helicone-Session-Id": f"s-{n // 4}", "Feature": "search"},
        "request_model": "gpt-4o-mini",
        "model_override": None,
        "model": "gpt-4o-mini-2024-07-18",
        "response_id": f"{n + 1:08x}-0000-4000-8000-000000000000",
        "response_created_at": _at(n, 900),
        "response_body": answered(n),
        "response_status": 200,
        "response_model": "gpt-4o-mini-2024-07-18",
        "provider": "OPENAI",
        "delay_ms": 900,
        "time_to_first_token": 400,
        "total_tokens": 314,
        "prompt_tokens": 310,
        "prompt_cache_write_tokens": 0,
        "prompt_cache_read_tokens": 0,
        "completion_tokens": 4,
        "costUSD": 4.89e-05,
        "cache_reference_id": "00000000-0000-0000-0000-000000000000",
    }


def helicone(folder: Path, count: int) -> list[Path]:
    return _lines(folder / "requests.jsonl", map(_helped, range(count)))


def _value(plain: Any) -> dict[str, Any]:
    if isinstance(plain, int):
        return {"intValue": str(plain)}
    return {"doubleValue": plain} if isinstance(plain, float) else {"stringValue": plain}


def _attributes(plain: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(one)} for name, one in plain.items()]


def _span(n: int, fillers: int = 0) -> dict[str, Any]:
    """A span of today's conventions, with the content of messages."""
    said = [
        {"role": one["role"], "parts": [{"type": "text", "content": one["content"]}]}
        for one in asked(n, fillers)["messages"]
    ]
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": "late"}], "finish_reason": "stop"}]
    known = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.response.id": f"chatcmpl-{n:024d}",
        "gen_ai.usage.input_tokens": 310,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.conversation.id": f"s-{n // 4}",
        "gen_ai.input.messages": json.dumps(said),
        "gen_ai.output.messages": json.dumps(answer),
    }
    begin_ns = (_FIRST_S + n) * 1_000_000_000
    return {
        "traceId": f"{n + 1:032x}",
        "spanId": f"{n + 1:016x}",
        "parentSpanId": f"{n + 7:016x}",
        "name": "chat gpt-4o-mini",
        "kind": 3,
        "startTimeUnixNano": str(begin_ns),
        "endTimeUnixNano": str(begin_ns + 900_000_000),
        "attributes": _attributes(known),
        "status": {},
    }


def _exported(spans: list[dict[str, Any]]) -> dict[str, Any]:
    resource = {"attributes": _attributes({"service.name": "shop", "deployment.environment.name": "production"})}
    scope = {"scope": {"name": "opentelemetry.instrumentation.openai"}, "spans": spans}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}


def otel(folder: Path, count: int) -> list[Path]:
    return _lines(folder / "spans.jsonl", (_exported([_span(n)]) for n in range(count)))


def otel_together(folder: Path, count: int) -> list[Path]:
    """As a collector that batches writes them: many spans a line."""
    steps = range(0, count, 100)
    return _lines(
        folder / "spans.jsonl", (_exported([_span(n, 7) for n in range(at, min(count, at + 100))]) for at in steps)
    )


LOGS: dict[str, Writer] = {
    "calls": calls,
    "openai pairs": pairs,
    "openai pairs, bodies as texts": texts,
    "openai pairs, a JSON array": array,
    "openai fine-tuning": tuning,
    "openai-batch": batch,
    "openai-stored": stored,
    "openpipe": openpipe,
    "litellm": litellm,
    "litellm, CSV": litellm_csv,
    "langfuse v1": langfuse_v1,
    "langfuse v2": langfuse_v2,
    "langfuse v2, CSV": langfuse_csv,
    "helicone": helicone,
    "otel": otel,
    "otel, 100 spans a line": otel_together,
}
LINES_A_CALL = {"openai-batch": 2}
"""Lines of input for each call, where that is not one."""
