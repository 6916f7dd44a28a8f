"""Each format of logs: how it is known, what comes over, what is said to be missing, what is refused."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.errors import BadLog, UsageError
from freehold.ledger import Ledger
from freehold.ledger.importing import Imported, import_logs, read_calls
from freehold.ledger.importing.known import FORMATS
from freehold.ledger.importing.protocol import UNREADABLE, Rejected, why
from freehold.vocabulary import UNTIMED_TAG, Call, Usage

SECRET = "sk-secret-4711"

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def asked(n: int = 0) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"question {n}"}]}


def answered(n: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{n}",
        "object": "chat.completion",
        "created": 1_791_158_400 + n,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
        **fields,
    }


def lines(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return path


def imported(folder: Path, *paths: Path, **options: Any) -> tuple[Imported, list[Call]]:
    ledger = Ledger(folder / "home")
    return import_logs(ledger, paths, **options), list(ledger.calls())


def test_pairs_as_people_log_them(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "log.jsonl",
        {"request_id": "r1", "timestamp": "2026-10-05T00:00:00Z", "duration_ms": 12.5, "request": asked(),
         "response": answered(1), "metadata": {"team": "a", "n": 3, "deep": {}}},
        {"request": json.dumps(asked()), "response": json.dumps(answered(2))},
        {"request": asked(), "response": None, "error": {"message": SECRET}},
        {"request": {"model": "c", "max_tokens": 5, "messages": []},
         "response": {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "c",
                      "usage": {"input_tokens": 3, "output_tokens": 4}}},
        {"request": asked(), "response": {"object": SECRET}},
    )  # fmt: skip
    done, calls = imported(tmp_path, path)
    (log,) = done.logs
    assert (log.format, log.read, log.added, log.rejected, log.examples) == (
        "openai", 5, 4, 1, [(5, "response holds neither choices nor an error")],
    )  # fmt: skip
    by_id = {call.id: call for call in calls}
    first = by_id["r1"]
    assert (first.started_at_us, first.latency_ms, first.model) == (1_791_158_400_000_000, 12.5, "gpt-4o-mini")
    assert first.usage == Usage(input_tokens=10, output_tokens=2)
    assert first.tags == {"team": "a", "n": "3"}
    second = by_id["chatcmpl-2"]
    assert (second.started_at_us, second.request) == (1_791_158_402_000_000, json.dumps(asked()).encode())
    assert by_id["msg_1"].dialect == "anthropic.messages"
    (failed,) = (call for call in calls if call.id.startswith("log_"))
    assert (failed.outcome, failed.owner, failed.tags[UNTIMED_TAG]) == ("error", "none", "file")
    assert (log.content.untimed, log.content.unmetered) == (2, 0), "what failed cost nothing"
    assert any("2 of 4 calls state no time" in said for said in log.shortcomings)


def test_conversations_made_for_fine_tuning(tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    path = lines(
        tmp_path / "train.jsonl",
        {"messages": [*asked()["messages"], {"role": "assistant", "content": "yes"}], "tools": tools},
        {"messages": asked()["messages"]},
    )
    done, (call,) = imported(tmp_path, path)
    (log,) = done.logs
    assert (log.format, log.added, log.rejected) == ("openai", 1, 1)
    assert json.loads(call.request) == {"messages": asked()["messages"], "tools": tools}
    assert json.loads(call.response)["choices"][0]["message"] == {"role": "assistant", "content": "yes"}
    assert (call.usage, call.tags["rebuilt"]) == (None, "request,response")
    assert any("state no tokens" in said for said in log.shortcomings)
    assert import_logs(Ledger(tmp_path / "home"), [path]).duplicates == 1


def test_prompts_and_completions_made_for_fine_tuning(tmp_path: Path) -> None:
    path = lines(tmp_path / "train.jsonl", {"prompt": "hi", "completion": "there"})
    _, (call,) = imported(tmp_path, path)
    assert (call.dialect, json.loads(call.request)) == ("openai.completions", {"prompt": "hi"})
    assert json.loads(call.response)["choices"][0]["text"] == "there"


def batch(folder: Path, count: int = 40) -> list[Path]:
    questions = [
        {"custom_id": f"q{n}", "method": "POST", "url": "/v1/chat/completions", "body": asked(n)} for n in range(count)
    ]
    answers = [
        {
            "id": f"batch_req_{n}",
            "custom_id": f"q{n}",
            "response": {"status_code": 200, "request_id": f"req_{n}", "body": answered(n)},
            "error": None,
        }
        for n in range(count - 3)
    ]
    random.Random(1).shuffle(answers)
    errors = [
        {
            "id": "batch_req_e1",
            "custom_id": f"q{count - 3}",
            "response": {"status_code": 400, "body": {"error": {"message": SECRET}}},
            "error": None,
        },
        {
            "id": "batch_req_e2",
            "custom_id": f"q{count - 2}",
            "response": None,
            "error": {"code": "batch_expired", "message": SECRET},
        },
    ]
    (folder / "batch").mkdir()
    answers_file = folder / "batch/out.jsonl.gz"
    answers_file.write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in answers).encode()))
    return [
        answers_file,
        lines(folder / "batch/in.jsonl", *questions),
        lines(folder / "batch/errors.jsonl", *errors),
    ]


def test_a_batch_is_joined_on_custom_id(tmp_path: Path) -> None:
    paths = batch(tmp_path)
    done, calls = imported(tmp_path, *paths)
    (log,) = done.logs
    assert (log.format, log.read, log.added, log.rejected) == ("openai-batch", 40, 39, 1)
    assert log.examples == [(40, "a request that none of the files holds an answer to")]
    by_id = {call.id: call for call in calls}
    for n in range(37):
        call = by_id[f"batch_req_{n}"]
        assert (json.loads(call.request), json.loads(call.response)) == (asked(n), answered(n))
        assert call.usage == Usage(input_tokens=10, output_tokens=2, service_tier="batch")
    refused, expired = by_id["batch_req_e1"], by_id["batch_req_e2"]
    assert (refused.outcome, refused.status, refused.owner) == ("error", 400, "none")
    assert (expired.outcome, expired.status, json.loads(expired.request)) == ("error", 0, asked(38))
    again = import_logs(Ledger(tmp_path / "home"), [tmp_path / "batch"])
    assert (again.added, again.duplicates) == (0, 39)


def test_answers_of_a_batch_without_its_requests_are_answers_alone(tmp_path: Path) -> None:
    done, calls = imported(tmp_path, batch(tmp_path)[0])
    assert (done.logs[0].content.answers_only, done.added) == (37, 37)
    assert all(not call.request and call.usage for call in calls)
    assert "nothing can be learned" in done.logs[0].shortcomings[0]


def test_a_custom_id_of_two_batches_is_joined_with_neither(tmp_path: Path) -> None:
    paths = batch(tmp_path)
    other = lines(tmp_path / "other.jsonl", {"custom_id": "q0", "url": "/v1/chat/completions", "body": asked(99)})
    done, calls = imported(tmp_path, *paths, other)
    assert "batch_req_0" not in {call.id for call in calls}
    assert any("several requests bear its custom_id" in reason for _, reason in done.logs[0].examples)


def test_lines_of_a_batch_that_cannot_be_read_are_counted_once(tmp_path: Path) -> None:
    paths = batch(tmp_path)
    with paths[2].open("a") as file:
        file.write('{"custom_id": 7}\n{broken\n')
    done, _ = imported(tmp_path, *paths)
    assert (done.added, done.rejected) == (39, 3)


@pytest.mark.parametrize("indent", [None, 1])
def test_stored_completions_hold_answers_alone_unless_messages_were_added(tmp_path: Path, indent: int | None) -> None:
    page = {"object": "list", "data": [answered(n, metadata={"task": "t"}) for n in range(3)], "has_more": True}
    whole = answered(7, messages=asked()["messages"], temperature=0.5)
    pages = tmp_path / "pages.json"
    pages.write_text(json.dumps(page, indent=indent) + "\n" + json.dumps(page | {"data": [answered(4)]}, indent=indent))
    single = tmp_path / "one.json"
    single.write_text(json.dumps(whole, indent=indent))
    done, calls = imported(tmp_path, pages, single)
    assert [(log.format, log.added) for log in done.logs] == [("openai-stored", 4), ("openai-stored", 1)]
    by_id = {call.id: call for call in calls}
    alone, both = by_id["chatcmpl-1"], by_id["chatcmpl-7"]
    assert (alone.request, json.loads(alone.response)) == (b"", page["data"][1])
    assert (alone.tags, alone.model, alone.started_at_us) == (
        {"task": "t"}, "gpt-4o-mini-2024-07-18", 1_791_158_401_000_000,
    )  # fmt: skip
    assert json.loads(both.request) == {
        "messages": asked()["messages"], "model": "gpt-4o-mini-2024-07-18", "temperature": 0.5,
    }  # fmt: skip
    assert "messages" not in json.loads(both.response)


def test_openpipe(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "pipe.jsonl",
        {"input": asked(), "output": answered(1), "tags": {"prompt": "v1", "ok": True}},
        {"input": asked()["messages"], "output": {"role": "assistant", "content": "yes"}, "tags": {}},
        {"input": asked()["messages"], "output": "yes", "tags": None},
        {"input": asked(), "output": 7, "tags": {}},
    )
    done, calls = imported(tmp_path, path)
    assert (done.logs[0].format, done.added, done.rejected) == ("openpipe", 3, 1)
    whole = next(call for call in calls if call.id == "chatcmpl-1")
    assert (whole.tags, whole.request) == ({"prompt": "v1", "ok": "true"}, json.dumps(asked()).encode())
    for call in calls:
        if call.id != "chatcmpl-1":
            assert json.loads(call.request) == {"messages": asked()["messages"]}
            assert json.loads(call.response)["choices"][0]["message"]["content"] == "yes"


def test_a_log_that_could_be_two_formats_is_not_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setitem(FORMATS, "twin", replace(FORMATS["openai"], name="twin"))
    path = lines(tmp_path / "log.jsonl", {"request": asked(), "response": answered()})
    with pytest.raises(BadLog, match=r"could be openai, .*; or twin") as refused:
        imported(tmp_path, path)
    assert (refused.value.error_code, refused.value.hint) == (
        "ambiguous_log", "say which: --format openai or --format twin",
    )  # fmt: skip
    done, _ = imported(tmp_path, path, format_name="twin")
    assert (done.added, done.logs[0].format) == (1, "twin")


def test_a_format_that_is_none_is_refused_with_the_list(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the formats are calls, openai, openai-batch"):
        imported(tmp_path, lines(tmp_path / "log", {}), format_name="nonsense")


def test_a_log_of_an_unknown_format_is_refused_by_the_names_of_its_fields(tmp_path: Path) -> None:
    path = lines(tmp_path / "log.jsonl", {"who": SECRET, SECRET + "!": 1})
    with pytest.raises(BadLog, match="the fields of its first record: who") as refused:
        imported(tmp_path, path)
    assert SECRET not in str(refused.value)


def test_files_of_a_folder_that_are_no_logs_are_named_and_left(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    (folder / "deep").mkdir(parents=True)
    lines(folder / "deep/a.jsonl", {"request": asked(), "response": answered()})
    (folder / "notes.txt").write_text("nothing\n")
    (folder / ".hidden").write_text("{}")
    done, _ = imported(tmp_path, folder)
    assert (done.added, [Path(one.file).name for one in done.unread]) == (1, ["notes.txt"])


def test_a_file_of_a_folder_that_only_looks_like_a_log_stops_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    broken = lines(
        folder / "a.jsonl", *({"request": asked(), "started_at": "2026-11-01", "id": str(n)} for n in range(3))
    )
    lines(folder / "b.jsonl", {"request": asked(), "response": answered()})
    done, _ = imported(tmp_path, folder)
    assert (done.added, [Path(one.file).name for one in done.unread]) == (1, ["a.jsonl"])
    assert "record 1" in done.unread[0].reason
    with pytest.raises(BadLog, match="no log that can be read"):
        imported(tmp_path, broken)
    (folder / "b.jsonl").unlink()
    with pytest.raises(BadLog, match="no file of the folder is a log"):
        imported(tmp_path, folder)


def test_calls_are_read_without_importing(tmp_path: Path) -> None:
    path = lines(tmp_path / "log.jsonl", {"request": asked(), "response": answered()})
    assert [call.id for call in read_calls(path)] == ["chatcmpl-0"]


names = st.sampled_from([
    "id", "custom_id", "request", "response", "messages", "prompt", "completion", "input", "output", "tags", "metadata",
    "object", "created", "created_at", "timestamp", "body", "answer", "url", "error", "choices", "usage", "model",
])  # fmt: skip
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(
    ["chat.completion", "response", "assistant", "{}", "[]"]
)  # fmt: skip
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)


@pytest.mark.parametrize("name", FORMATS)
@unhurried
@given(record=st.dictionaries(names, values, max_size=6), noise=st.binary(max_size=40))
def test_any_record_is_calls_or_is_refused(name: str, record: dict[str, Any], noise: bytes) -> None:
    refused: list[str] = []
    for data in (json.dumps(record).encode(), json.dumps(record).encode()[:-1] + noise, noise):
        try:
            found = FORMATS[name].read(data)
        except (Rejected, *UNREADABLE) as error:
            refused.append(why(error))
            continue
        for call, _ in found:
            assert call.id
            assert call.latency_ms >= 0
            assert call.usage is None or call.usage.input_tokens >= 0
    assert all(refused)
