"""The ledger's calls in the forms that other programs read, checked with what reads them."""

import csv
import gzip
import json
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.support import homes
from tests.support.ledger_calls import make_call
from typer.testing import CliRunner

from freehold.cli._app import app
from freehold.errors import FreeholdError, UsageError
from freehold.ledger.importing.foreign import otel
from freehold.services.exporting import export
from freehold.services.exporting.finetuning import example
from freehold.services.home import Home
from freehold.settings import PriceSettings, Settings
from freehold.vocabulary import Call, Leg, Usage

DAY_US = 86_400 * 1_000_000
START_US = 1_791_158_400_000_000  # 5 October 2026
TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
TOOL_CALL = {"id": "c", "type": "function", "function": {"name": "find", "arguments": '{"n":1}'}}


def chat(ident: str, *, answer: Any = None, request: Any = None, **fields: Any) -> Call:
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "How?"}], "temperature": 0, **(request or {})}
    said = {"role": "assistant", "content": "So.", "refusal": None, "annotations": [], **(answer or {})}
    response = {"model": "gpt-4o", "choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}
    made = {"id": ident, "started_at_us": START_US, "latency_ms": 12.5, "provider": "openai", "model": "gpt-4o"}
    bodies = {"request": json.dumps(asked).encode(), "response": json.dumps(response).encode()}
    return Call(**{"usage": Usage(100, output_tokens=10), "source": "import", **made, **bodies, **fields})


def filled(tmp_path: Path, *calls: Call, settings: Settings | None = None) -> Home:
    home = homes.home(tmp_path / "home", settings)
    home.ledger.append(calls)
    return home


def lines(path: Path) -> list[Any]:
    data = path.read_bytes()
    return [json.loads(line) for line in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()]


# for teaching


def taught(call: Call) -> Any:
    found = example(call)
    return json.loads(found) if isinstance(found, bytes) else found


def test_a_call_as_an_example_to_learn_from() -> None:
    assert taught(chat("1")) == {
        "messages": [{"role": "user", "content": "How?"}, {"role": "assistant", "content": "So."}]
    }


def test_tools_go_along_with_their_calls() -> None:
    call = chat(
        "1", request={"tools": [TOOL], "parallel_tool_calls": True}, answer={"content": None, "tool_calls": [TOOL_CALL]}
    )
    found = taught(call)
    assert (found["tools"], found["parallel_tool_calls"]) == ([TOOL], True)
    assert found["messages"][-1] == {"role": "assistant", "tool_calls": [TOOL_CALL]}


def test_the_right_answer_is_taught_where_a_person_gave_one() -> None:
    assert taught(chat("1", gold="Thus."))["messages"][-1] == {"role": "assistant", "content": "Thus."}
    gold = '{"tool_calls":[{"name":"find","arguments":{"n":2}}]}'
    (call,) = taught(chat("1", request={"tools": [TOOL]}, gold=gold))["messages"][-1]["tool_calls"]
    assert call["function"] == {"name": "find", "arguments": '{"n":2}'}


def test_a_conversation_in_another_dialect_becomes_one_of_chat() -> None:
    asked = {"model": "c", "max_tokens": 5, "system": "Be short.", "messages": [{"role": "user", "content": "How?"}]}
    said = {
        "type": "message", "role": "assistant", "model": "c", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "So."}],
    }  # fmt: skip
    call = chat("1", dialect="anthropic.messages", request={}, provider="anthropic")
    call.request, call.response = json.dumps(asked).encode(), json.dumps(said).encode()
    assert taught(call)["messages"] == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "How?"},
        {"role": "assistant", "content": "So."},
    ]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"outcome": "error"}, "it failed or broke off"),
        ({"outcome": "incomplete"}, "it failed or broke off"),
        ({"raw": b""}, "its request or its answer is not recorded"),
        ({"response": b""}, "its request or its answer is not recorded"),
        ({"owner": "owned"}, "an owned model answered it"),
        ({"reason": "cache_hit"}, "it was answered from the cache"),
        ({"raw": b"not JSON"}, "it is no conversation"),
        ({"dialect": "openai.embeddings"}, "it is no conversation"),
        ({"response": b"{}"}, "its answer is none that can be taught"),
        ({"answer": {"content": None, "refusal": "No."}}, "its answer is none that can be taught"),
    ],
)
def test_what_cannot_be_taught_says_why(fields: dict[str, Any], why: str) -> None:
    raw = fields.pop("raw", None)
    call = chat("1", **fields)
    call.request = call.request if raw is None else raw
    assert taught(call) == why


def test_an_answer_that_was_cut_is_not_taught() -> None:
    call = chat("1")
    call.response = call.response.replace(b'"stop"', b'"length"')
    assert taught(call) == "its answer was cut short"


def test_the_file_to_teach_from_counts_what_is_not_in_it(tmp_path: Path) -> None:
    calls = [chat("1"), chat("2", outcome="error"), chat("3", tags={"data_class": "restricted"}), chat("4")]
    calls += [chat("5", tags={"data_class": "restricted"}), chat("6")]
    for bare in calls[-2:]:  # as a log without bodies has them: nobody can tell what was in them
        bare.request = bare.response = b""
    with filled(tmp_path, *calls) as home:
        report = export(home, tmp_path / "x.jsonl.gz", form="openai-finetune")
    assert (report.written, report.unit) == (2, "examples")
    assert report.skipped == {
        "it failed or broke off": 1,
        "its content may not leave": 1,
        "its request or its answer is not recorded": 2,
    }
    assert [list(one) for one in lines(tmp_path / "x.jsonl.gz")] == [["messages"]] * 2


# as columns


@pytest.mark.parametrize("bodies", [False, True])
def test_parquet_holds_every_call(tmp_path: Path, bodies: bool) -> None:
    calls = [make_call(n) for n in range(5000 if not bodies else 300)]
    with filled(tmp_path, *calls) as home:
        report = export(home, tmp_path / "it's.parquet", form="parquet", bodies=bodies or None)
    assert report.written == len(calls)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["it's.parquet"]
    read = duckdb.read_parquet(str(tmp_path / "it's.parquet"))
    assert [row[0] for row in read.project("id").fetchall()] == [call.id for call in calls]
    found = dict(zip(read.columns, read.filter("id = 'call-00000077'").fetchall()[0], strict=True))
    call = make_call(77)
    assert (found["outcome"], found["key"], found["gold"], found["tags"]) == (
        "incomplete",
        call.key,
        call.gold,
        call.tags,
    )
    assert found["started_at"].replace(tzinfo=UTC) == datetime.fromtimestamp(call.started_at_us / 1e6, UTC)
    assert found["input_tokens"] is None  # no usage is known of this one
    assert json.loads(found["legs"])[0]["purpose"] == "audit"
    assert ("request" in found) == bodies
    if bodies:
        assert (found["request"], found["response"]) == (call.request, call.response)


# as spans


def test_spans_are_read_again_as_the_calls_that_they_were(tmp_path: Path) -> None:
    settings = Settings()
    answered = chat(
        "1", usage=Usage(20, 70, 10, 9, 4), streamed=True, ttft_ms=3.0, task="asking", key="shop",
        tags={"team": "a", "session": "s", "end_user": "u", "prompt": "p", "feature": "f"},
        legs=(Leg("serve", "rented", "openai", "gpt-4o", "ok", 200, usage=Usage(20, 70, 10, 9, 4)),),
    )  # fmt: skip
    failed = chat("2", outcome="error", status=500, owner="none", usage=None, error="upstream_failed")
    tooled = chat("3", request={"tools": [TOOL]}, answer={"content": None, "tool_calls": [TOOL_CALL]})
    with filled(tmp_path, answered, failed, tooled, settings=settings) as home:
        report = export(home, tmp_path / "x.jsonl", form="otlp", bodies=True)
    assert (report.written, report.skipped) == (3, {})
    found = {}
    for line in lines(tmp_path / "x.jsonl"):
        for span in otel.expand(line):
            call = otel.read(span)
            if call is not None:
                found[call.id] = call
    assert list(found) == ["1", "2", "3"]
    first = found["1"]
    assert (first.usage, first.ttft_ms, first.streamed) == (answered.usage, 3.0, True)
    assert (first.task, first.key, first.owner, first.status) == ("asking", "shop", "rented", 200)
    assert (first.started_at_us, first.latency_ms, first.model) == (START_US, 12.5, "gpt-4o")
    assert {tag: first.tags[tag] for tag in answered.tags} == answered.tags
    assert json.loads(first.request)["messages"] == [{"role": "user", "content": "How?"}]
    assert json.loads(first.response)["choices"][0]["message"]["content"] == "So."
    assert (found["2"].outcome, found["2"].status, found["2"].owner) == ("error", 500, "none")
    (tool_call,) = json.loads(found["3"].response)["choices"][0]["message"]["tool_calls"]
    assert tool_call["function"] == TOOL_CALL["function"]


def test_what_a_call_costs_and_who_was_asked_survive_the_way_through_spans(tmp_path: Path) -> None:
    usage = Usage(20, 70, 10, 90, 4, False, 30, 5, 4, 3, 2, 8, 1, 6, "batch")
    calls = [chat("1", usage=usage), chat("2", provider="", source="import"), chat("3", provider="", source="import")]
    with filled(tmp_path, *calls) as home:
        export(home, tmp_path / "x.jsonl", form="otlp", bodies=True)
    read = [otel.read(span) for line in lines(tmp_path / "x.jsonl") for span in otel.expand(line)]
    found = [call for call in read if call is not None]
    assert found[0].usage == usage
    assert [call.provider for call in found] == ["openai", "", ""]
    assert all("feature" not in call.tags for call in found)


def test_spans_hold_neither_content_nor_people_unless_they_are_asked_for(tmp_path: Path) -> None:
    secret = chat("1", request={"messages": [{"role": "user", "content": "hush"}]}, tags={"end_user": "someone"})
    held = chat("2", request={"messages": [{"role": "user", "content": "hush"}]}, tags={"data_class": "restricted"})
    with filled(tmp_path, secret, held) as home:
        export(home, tmp_path / "plain", form="otlp")
        export(home, tmp_path / "full", form="otlp", bodies=True)
    plain, full = (tmp_path / "plain").read_text(), (tmp_path / "full").read_text()
    assert "hush" not in plain
    assert "someone" not in plain
    assert full.count("hush") == 1


# as costs


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_cost_rows_come_to_the_cost_of_the_calls(tmp_path: Path) -> None:
    calls = [
        chat(
            f"{n}", started_at_us=START_US + n % 3 * DAY_US, usage=Usage(1000 + n, n, 0, 7),
            tags={"team": "a"} if n % 2 else {},
        )
        for n in range(60)
    ]  # fmt: skip
    with filled(tmp_path, *calls) as home:
        report = export(home, tmp_path / "x.csv", form="focus")
        expected: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for call in calls:
            day = datetime.fromtimestamp(call.started_at_us / 1e6, UTC).strftime("%Y-%m-%dT00:00:00Z")
            priced = home.prices.price_call(call).usd
            assert priced is not None
            expected[day, call.tags.get("team", "")] += priced
    rows = rows_of(tmp_path / "x.csv")
    assert (report.written, report.unit, report.notes) == (6, "rows", ())
    assert {(row["ChargePeriodStart"], row["SubAccountId"]): Decimal(row["EffectiveCost"]) for row in rows} == expected
    assert {row["ListCost"] == row["BilledCost"] == row["ContractedCost"] for row in rows} == {True}
    assert sum(int(row["ConsumedQuantity"]) for row in rows) == sum(1007 + 2 * n for n in range(60))
    assert (rows[0]["BillingPeriodStart"], rows[0]["BillingPeriodEnd"]) == (
        "2026-10-01T00:00:00Z",
        "2026-11-01T00:00:00Z",
    )
    assert (rows[0]["BillingCurrency"], rows[0]["ChargeCategory"], rows[0]["ConsumedUnit"]) == (
        "USD",
        "Usage",
        "Tokens",
    )


def test_an_unknown_price_leaves_the_cost_empty_and_says_so(tmp_path: Path) -> None:
    calls = [chat("1", model="no-such-model", provider="nobody"), chat("2", usage=None), chat("3")]
    with filled(tmp_path, *calls) as home:
        report = export(home, tmp_path / "x.csv", form="focus")
    rows = rows_of(tmp_path / "x.csv")
    unknown = [row for row in rows if not row["BilledCost"]]
    assert sorted(row["x_PriceSource"] for row in unknown) == [
        "unknown: no price of nobody/no-such-model",
        "unknown: the provider stated no token counts",
    ]
    assert all(row["EffectiveCost"] == row["ListCost"] == row["ContractedCost"] == "" for row in unknown)
    assert "what 2 attempts cost is unknown, and empty in 2 rows" in report.notes[0]
    assert len(rows) == 3


def test_every_rented_attempt_is_paid_for_and_no_owned_one(tmp_path: Path) -> None:
    legs = (
        Leg("serve", "owned", "freehold", "s", "ok"),
        Leg("escalate", "rented", "openai", "gpt-4o", "ok", usage=Usage(100, output_tokens=10)),
        Leg("audit", "rented", "openai", "gpt-4o-mini", "ok", usage=Usage(100, output_tokens=10)),
        Leg("fallback", "rented", "openai", "gpt-4.1", "error"),
    )
    cached = chat("2", reason="cache_hit", usage=Usage())
    with filled(tmp_path, chat("1", legs=legs, source="gateway"), cached) as home:
        export(home, tmp_path / "x.csv", form="focus")
    assert [(row["SkuId"], row["x_Calls"]) for row in rows_of(tmp_path / "x.csv")] == [
        ("gpt-4o", "1"),
        ("gpt-4o-mini", "1"),
    ]


def test_a_contract_is_what_is_paid_and_the_list_price_stands_beside_it(tmp_path: Path) -> None:
    contract = PriceSettings(input_usd_per_mtok=Decimal(1), output_usd_per_mtok=Decimal(2))
    settings = Settings(prices={"openai/gpt-4o": contract})
    with filled(tmp_path, chat("1"), settings=settings) as home:
        export(home, tmp_path / "x.csv", form="focus")
    (row,) = rows_of(tmp_path / "x.csv")
    assert row["EffectiveCost"] == "0.00012"
    assert Decimal(row["ListCost"]) > Decimal(row["EffectiveCost"])


# all of them


def test_what_makes_no_sense_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with filled(tmp_path, chat("1")) as home:
        for fields in ({"form": "xlsx"}, {"form": "focus", "bodies": True}, {"form": "calls", "bodies": False}):
            with pytest.raises(UsageError):
                export(home, tmp_path / "x", **fields)
        with pytest.raises(UsageError, match="compressed already"):
            export(home, tmp_path / "x.gz", form="parquet")
        (tmp_path / "there").write_text("mine")
        with pytest.raises(UsageError, match="exists already"):
            export(home, tmp_path / "there")
    assert (tmp_path / "there").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["there"]


def test_an_empty_ledger_gives_an_empty_file(tmp_path: Path) -> None:
    with filled(tmp_path) as home:
        for form in ("calls", "openai-finetune", "parquet", "otlp", "focus"):
            assert export(home, tmp_path / form, form=form).written == 0
    assert duckdb.read_parquet(str(tmp_path / "parquet")).fetchall() == []
    assert rows_of(tmp_path / "focus") == []


def test_an_unknown_task_is_said(tmp_path: Path) -> None:
    with filled(tmp_path, chat("1")) as home, pytest.raises(FreeholdError, match="task"):
        export(home, tmp_path / "x", task="nothing")


def test_the_command_says_what_is_in_the_file_and_what_is_not(tmp_path: Path) -> None:
    with filled(tmp_path, chat("1"), chat("2", outcome="error"), chat("3", model="no-such-model")):
        pass
    environment = {"FREEHOLD_HOME": str(tmp_path / "home")}
    runner = CliRunner()
    done = runner.invoke(app, ["log", "export", str(tmp_path / "a"), "--format", "openai-finetune"], env=environment)
    assert done.exit_code == 0, done.output
    assert "2 examples are in" in done.output
    assert "1: it failed or broke off" in done.output
    done = runner.invoke(app, ["log", "export", str(tmp_path / "b"), "--format", "focus", "--json"], env=environment)
    found = json.loads(done.stdout)
    assert (found["schema"], found["written"], found["unit"]) == ("freehold.export/1", 2, "rows")
    assert "is unknown" in found["notes"][0]
