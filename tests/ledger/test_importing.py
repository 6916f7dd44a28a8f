"""Logs in the format "calls": what is read, what is refused and how that is said, and the way back out."""

import gzip
import io
import json
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.ledger_calls import make_call

from freehold.errors import BadLog, NotFound
from freehold.ledger import Ledger, export_calls
from freehold.ledger.importing import ImportReport, import_file
from freehold.ledger.importing.calls import read_line
from freehold.ledger.importing.protocol import Rejected
from freehold.vocabulary import Call, Leg, Usage

SECRET = "sk-secret-4711"

# A loaded machine is no failure.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def line(ident: str = "a", **fields: Any) -> dict[str, Any]:
    return {
        "id": ident,
        "started_at": "2026-10-05T00:01:12.135561Z",
        "latency_ms": 683.6,
        "provider": "openai",
        "request": {"model": "m", "messages": [{"role": "user", "content": SECRET}]},
        "response": {
            "model": "m-1",
            "choices": [{"message": {"content": SECRET}}],
            "usage": {
                "prompt_tokens": 10,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 6},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
        },
        **fields,
    }


def without(field: str) -> dict[str, Any]:
    whole = line()
    del whole[field]
    return whole


def write(path: Path, *lines: dict[str, Any] | bytes | str, end: bytes = b"\n") -> Path:
    def encoded(text: dict[str, Any] | bytes | str) -> bytes:
        if isinstance(text, bytes):
            return text
        return text.encode() if isinstance(text, str) else json.dumps(text, ensure_ascii=False).encode()

    path.write_bytes(b"".join(encoded(text) + end for text in lines))
    return path


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    """Read, added, duplicates, rejected."""
    return report.read, report.added, report.duplicates, report.rejected


def read(**fields: Any) -> Call:
    return read_line(json.dumps(line(**fields)).encode())


def test_a_call_is_read_and_its_bodies_are_kept_byte_for_byte(tmp_path: Path) -> None:
    request = b'{ "model":"m","messages":[{"role":"user","content":"caf\\u00e9 \xc3\xa9"}], "x":1.50}'
    response = b'{"choices":[], "usage":null , "y":[ ]}'
    text = (
        b'{"id":"a","started_at":"2026-10-05T02:01:12+02:00","request":%b,"response":%b,'
        b'"task":"t","tags":{"k":"v"},"new":1}'
    )
    ledger = Ledger(tmp_path)
    report = import_file(ledger, write(tmp_path / "log", text % (request, response)))
    assert (report.format, *counts(report)) == ("calls", 1, 1, 0, 0)
    (call,) = ledger.calls()
    assert (call.request, call.response) == (request, response)
    assert call == Call(
        id="a", started_at_us=1_791_158_472_000_000, latency_ms=0.0, provider="", model="m", request=request,
        response=response, task="t", tags={"k": "v"}, source="import",
    )  # fmt: skip


def test_usage_is_disjoint() -> None:
    call = read()
    assert call.usage == Usage(input_tokens=4, cache_read_tokens=6, output_tokens=4, reasoning_tokens=3)
    assert (call.model, call.latency_ms, call.outcome) == ("m", 683.6, "ok")


@pytest.mark.parametrize(
    ("written", "us"),
    [
        ("2026-10-05T00:00:00Z", 1_791_158_400_000_000),
        ("2026-10-05T00:00:00", 1_791_158_400_000_000),
        ("2026-10-05 00:00:00.000001", 1_791_158_400_000_001),
        ("2026-10-04T19:00:00.5-05:00", 1_791_158_400_500_000),
        (1_791_158_400, 1_791_158_400_000_000),
        (1_791_158_400.25, 1_791_158_400_250_000),
        (1_791_158_400_000, 1_791_158_400_000_000),
        (1_791_158_400_000_000, 1_791_158_400_000_000),
    ],
)
def test_times(written: str | float, us: int) -> None:
    assert read(started_at=written).started_at_us == us


def test_an_error_is_never_recorded_as_a_success() -> None:
    call = read(response={"error": {"message": "overloaded"}})
    assert (call.outcome, call.owner, call.usage) == ("error", "none", None)


MESSAGE = {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [], "stop_reason": "end_turn"}
OTHER_DIALECTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "anthropic.messages": (
        {"model": "m", "messages": [], "stream": True},
        MESSAGE | {"usage": {"input_tokens": 4, "cache_read_input_tokens": 6, "output_tokens": 3}},
    ),
    "openai.responses": (
        {"model": "m", "input": "hi", "stream": True},
        {
            "object": "response",
            "output": [],
            "error": None,
            "usage": {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 6}, "output_tokens": 3},
        },
    ),
    "openai.completions": (
        {"model": "m", "prompt": "hi", "stream": True},
        {
            "choices": [{"text": "a"}],
            "usage": {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 6}, "completion_tokens": 3},
        },
    ),
    "openai.embeddings": (
        {"model": "m", "input": ["hi"], "stream": True},
        {"object": "list", "data": [], "usage": {"prompt_tokens": 10, "total_tokens": 10}},
    ),
}


@pytest.mark.parametrize("name", OTHER_DIALECTS)
def test_a_call_of_another_dialect_is_read_by_it_and_an_export_keeps_it(tmp_path: Path, name: str) -> None:
    request, response = OTHER_DIALECTS[name]
    ledger = Ledger(tmp_path / "a")
    import_file(ledger, write(tmp_path / "log", line(dialect=name, request=request, response=response)))
    (call,) = ledger.calls()
    usage = Usage(10) if name == "openai.embeddings" else Usage(4, cache_read_tokens=6, output_tokens=3)
    assert (call.dialect, call.model, call.usage, call.streamed, call.outcome) == (name, "m", usage, True, "ok")
    with (tmp_path / "export").open("wb") as file:
        export_calls([call], file)
    assert json.loads((tmp_path / "export").read_bytes())["dialect"] == name
    again = Ledger(tmp_path / "b")
    import_file(again, tmp_path / "export")
    assert list(again.calls()) == [call]
    failed = read(dialect=name, request=request, response={"type": "error", "error": {"message": "overloaded"}})
    assert (failed.outcome, failed.owner, failed.usage) == ("error", "none", None)


def test_a_dialect_that_nobody_speaks_is_refused_and_one_of_an_export_is_kept() -> None:
    with pytest.raises(Rejected, match=r"dialect is none of anthropic\.messages, openai\.chat"):
        read(dialect=SECRET)
    assert read(dialect=None).dialect == "openai.chat"
    assert read(freehold={"dialect": "openai.images"}).dialect == "openai.images"
    assert read(dialect="openai.responses", freehold={}).dialect == "openai.responses"


BROKEN: dict[str, bytes | dict[str, Any]] = {
    "no JSON": b'{"id": "' + SECRET.encode(),
    "another shape": b'["' + SECRET.encode() + b'"]',
    "text": SECRET.encode(),
    "not UTF-8": b'{"id": "\xff\xfe"}',
    "NUL bytes": b"\x00" * 50,
    "no id": without("id"),
    "empty id": line(""),
    "id no text": line(7),  # type: ignore[arg-type]
    "NUL in id": line("a\x00b"),
    "no time": without("started_at"),
    "time no time": line(started_at=SECRET),
    "time negative": line(started_at=-1),
    "time too far": line(started_at=1e300),
    "no request": without("request"),
    "request no object": line(request=SECRET),
    "request without messages": line(request={"model": "m"}),
    "request of another dialect": line(dialect="openai.responses"),
    "response of another dialect": line(dialect="anthropic.messages"),
    "dialect unknown": line(dialect=SECRET),
    "dialect no text": line(dialect=[SECRET]),
    "cached negative": line(response={"choices": [], "usage": {"cache_read_input_tokens": -1}}),
    "no response": without("response"),
    "response null": line(response=None),
    "response no answer": line(response={"id": "x"}),
    "usage negative": line(response={"choices": [], "usage": {"prompt_tokens": -1}}),
    "usage absurd": line(response={"choices": [], "usage": {"completion_tokens": 2**60}}),
    "latency negative": line(latency_ms=-1),
    "latency text": line(latency_ms=SECRET),
    "tags of another kind": line(tags={SECRET: 1}),
    "outcome unknown": line(freehold={"outcome": SECRET}),
    "base64 damaged": line(freehold={"request_base64": "%%%"}),
    "nested too deeply": b'{"id":"a","request":' + b"[" * 100_000,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_malformed_line_is_reported_and_the_rest_is_imported(tmp_path: Path, name: str) -> None:
    ledger = Ledger(tmp_path)
    path = write(tmp_path / "log", line("first"), "", BROKEN[name], line("last"))
    report = import_file(ledger, path)
    ((number, reason),) = report.examples
    assert (report.read, report.added, report.rejected, number) == (3, 2, 1, 3)
    assert reason
    assert SECRET not in reason
    again = import_file(ledger, path)
    assert (*counts(again), again.examples) == (3, 0, 2, 1, report.examples)
    assert [call.id for call in ledger.calls()] == ["first", "last"]


def test_only_the_first_examples_are_kept(tmp_path: Path) -> None:
    report = import_file(Ledger(tmp_path), write(tmp_path / "log", line(), *[b"{"] * 500))
    assert report.rejected == 500
    assert [number for number, _ in report.examples] == list(range(2, 12))


def test_a_duplicate_within_the_file_is_counted_and_the_first_is_kept(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    report = import_file(ledger, write(tmp_path / "log", line("a", gold="1"), line("b"), line("a", gold="2")))
    assert (report.added, report.duplicates) == (2, 1)
    assert ledger.get("a").gold == "1"


@pytest.mark.parametrize("form", ["bom", "crlf", "gzip", "no newline at the end"])
def test_forms_of_a_file(tmp_path: Path, form: str) -> None:
    path = write(tmp_path / "log", line("a"), line("b"), end=b"\r\n" if form == "crlf" else b"\n")
    data = path.read_bytes()
    changed = {"bom": b"\xef\xbb\xbf" + data, "crlf": data, "gzip": gzip.compress(data)}.get(form, data[:-1])
    path.write_bytes(changed)
    steps: list[tuple[int, int]] = []
    report = import_file(Ledger(tmp_path), path, progress=lambda _, __, done, total: steps.append((done, total)))
    assert (report.added, report.rejected) == (2, 0)
    assert steps[-1] == (len(changed), len(changed))


def test_a_gzip_that_ends_early_gives_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(b"".join(json.dumps(line(str(n))).encode() + b"\n" for n in range(2000)))[:-2000])
    report = import_file(Ledger(tmp_path), path)
    assert report.added > 100
    assert report.rejected in (1, 2)
    assert "compressed" in report.examples[-1][1]


def test_a_line_of_ten_megabytes(tmp_path: Path) -> None:
    ledger, content = Ledger(tmp_path), "x" * 10_000_000
    big = line("big", request={"model": "m", "messages": [{"role": "user", "content": content}]})
    assert import_file(ledger, write(tmp_path / "log", line("a"), big, line("z"))).added == 3
    ledger.seal(remove_after_s=0)
    assert len(ledger.get("big").request) > 10_000_000


def test_an_empty_file_is_an_empty_log(tmp_path: Path) -> None:
    assert counts(import_file(Ledger(tmp_path), write(tmp_path / "log"))) == (0, 0, 0, 0)
    assert import_file(Ledger(tmp_path), write(tmp_path / "log", "", "  ")).read == 0


@pytest.mark.parametrize(
    "content",
    [
        b"id,started_at\n1,2\n" * 1000,
        b"[1, 2, 3]",
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40,
        "\ufeffid".encode("utf-16"),
        b"PAR1" + bytes(100),
        gzip.compress(b"hello\nworld\n"),
        b'{"request_id": "x", "startTime": "y", "messages": {}}\n',
        b"\x1f\x8b broken",
    ],
    ids=["csv", "array", "png", "utf-16", "parquet", "zipped text", "another format", "no gzip"],
)
def test_a_file_that_is_no_log_is_refused_with_a_hint(tmp_path: Path, content: bytes) -> None:
    path, ledger = tmp_path / "file", Ledger(tmp_path)
    path.write_bytes(content)
    with pytest.raises(BadLog) as refused:
        import_file(ledger, path)
    assert refused.value.hint
    assert ledger.count() == 0


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        import_file(Ledger(tmp_path), tmp_path / "none")
    with pytest.raises(NotFound):
        import_file(Ledger(tmp_path), tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    ["id", "started_at", "latency_ms", "provider", "dialect", "request", "response", "gold", "tags", "freehold"]
)


@unhurried
@given(
    changes=st.dictionaries(fields, json_values, max_size=4), response=st.dictionaries(st.just("usage"), json_values)
)
def test_any_line_is_a_call_or_is_refused(changes: dict[str, Any], response: dict[str, Any]) -> None:
    text = json.dumps({**line(), **changes}).encode()
    usage = json.dumps(line(response={"choices": [], **response})).encode()
    for written in (text, usage):
        call, reason = outcome(written)
        assert (call is None) != (reason == "")
        assert SECRET not in reason
        if call is not None:
            assert call.id
            assert call.latency_ms >= 0
            assert call.usage is None or min(call.usage.input_tokens, call.usage.output_tokens) >= 0


def outcome(written: bytes) -> tuple[Call | None, str]:
    """The call of a line, or why there is none."""
    try:
        return read_line(written), ""
    except Rejected as refused:
        return None, str(refused)


@unhurried
@given(st.binary(max_size=300))
def test_any_bytes_are_a_call_or_are_refused(data: bytes) -> None:
    with pytest.raises(Rejected):
        read_line(data)


text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
count = st.integers(0, 2**40)
milliseconds = st.floats(0, 1e9, allow_nan=False)
usages = st.none() | st.builds(Usage, count, count, count, count, count, st.booleans())
outcomes = st.sampled_from(["ok", "error", "incomplete", "cancelled", "refused"])
owners = st.sampled_from(["owned", "rented", "none"])
legs = st.builds(
    Leg, purpose=st.sampled_from(["serve", "audit"]), owner=owners, provider=text, model=text, outcome=outcomes,
    usage=usages, confidence=st.none() | st.floats(0, 1), agrees=st.none() | st.booleans(), answer=st.none() | text,
)  # fmt: skip
bodies = st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value, indent=1).encode()) | st.just(b"{}")
calls = st.builds(
    Call, id=text.filter(bool), started_at_us=st.integers(0, 4_000_000_000_000_000), latency_ms=milliseconds,
    provider=text, model=text, request=bodies, response=bodies, outcome=outcomes, status=st.integers(0, 999),
    owner=owners, usage=usages, ttft_ms=st.none() | milliseconds, streamed=st.booleans(), dialect=text, task=text,
    template=text, legs=st.lists(legs, max_size=2).map(tuple), gold=st.none() | text,
    tags=st.dictionaries(text, text, max_size=2), source=st.text(string.ascii_letters, min_size=1), error=text,
)  # fmt: skip


@unhurried
@given(st.lists(calls, max_size=5, unique_by=lambda call: call.id))
def test_what_is_exported_is_imported_again_without_loss(exported: list[Call]) -> None:
    file = io.BytesIO()
    assert export_calls(exported, file) == len(exported)
    assert [read_line(text) for text in file.getvalue().splitlines()] == exported


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(written=st.lists(calls, max_size=6, unique_by=lambda call: call.id))
def test_any_call_comes_back_from_hot_and_sealed_files(
    tmp_path_factory: pytest.TempPathFactory, written: list[Call]
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("home"))
    ledger.append(written)
    expected = sorted(written, key=lambda call: (call.started_at_us, call.id))
    assert list(ledger.calls()) == expected
    ledger.seal(remove_after_s=0)
    assert list(ledger.calls()) == expected


@pytest.mark.shared_data
def test_built_traffic_is_imported_and_exported_verbatim(tmp_path: Path) -> None:
    build = Path(__file__).parents[2].parent / "shared/traffic/build.py"
    if not build.exists():
        pytest.skip("../shared is absent")
    subprocess.run([sys.executable, build, tmp_path, "--limit", "40"], check=True, capture_output=True)
    path, ledger = tmp_path / "calls.jsonl", Ledger(tmp_path)
    lines = [json.loads(text) for text in path.read_text("utf-8").splitlines()]
    report = import_file(ledger, path)
    assert (report.added, report.rejected) == (len(lines), 0)
    file = io.BytesIO()
    export_calls(ledger.calls(), file)
    exported = [json.loads(text) for text in file.getvalue().splitlines()]
    assert sorted(exported, key=lambda x: x["id"]) == sorted(
        ({**x, "freehold": y["freehold"]} for x, y in zip(_by_id(lines), _by_id(exported), strict=True)),
        key=lambda x: x["id"],
    )


def _by_id(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(lines, key=lambda x: x["id"])


def test_exports_of_the_test_calls_are_one_line_each() -> None:
    file = io.BytesIO()
    export_calls((make_call(n) for n in range(20)), file)
    assert file.getvalue().count(b"\n") == 20
