"""Files of other tools, in every form that they export: known for what they are, read whole, and never twice."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.ledger.importing_foreign import test_helicone, test_langfuse, test_litellm, test_otel

from freehold.ledger import Ledger
from freehold.ledger.importing import import_file

Write = Callable[[Path, list[dict[str, Any]]], None]


def jsonl(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in records))


def array(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps(records, indent=2))


def page(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps({"data": records, "meta": {"page": 1}}))


def table(path: Path, records: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        for one in records:
            cells = {k: v if isinstance(v, str) else json.dumps(v) for k, v in one.items() if v is not None}
            writer.writerow(cells)


TOOLS: dict[str, Callable[[int], dict[str, Any]]] = {
    "litellm": lambda n: test_litellm.row(request_id=f"r-{n}"),
    "helicone": lambda n: test_helicone.request(request_id=f"r-{n}"),
    "langfuse": lambda n: test_langfuse.v2(id=f"o-{n}"),
}


@pytest.mark.parametrize("write", [jsonl, array, page, table])
@pytest.mark.parametrize("tool", TOOLS)
def test_a_file_in_every_form(tmp_path: Path, tool: str, write: Write) -> None:
    write(tmp_path / "export", [TOOLS[tool](n) for n in range(30)])
    ledger = Ledger(tmp_path / "home")
    report = import_file(ledger, tmp_path / "export")
    assert (report.format, report.added, report.rejected, report.skipped) == (tool, 30, 0, 0)
    assert (report.content.complete, report.shortcomings) == (30, ())
    again = import_file(ledger, tmp_path / "export")
    assert (again.added, again.duplicates) == (0, 30)


@pytest.mark.parametrize("indent", [None, 2])
def test_spans_in_lines_and_in_one_file(tmp_path: Path, indent: int | None) -> None:
    spans = [test_otel.span(test_otel.TODAY, spanId=f"{n + 1:016x}") for n in range(30)]
    other = test_otel.request(test_otel.span({"http.request.method": "GET"}, spanId="a" * 16))
    records = [test_otel.request(*spans[:10]), other, test_otel.request(*spans[10:])]
    text = "\n".join(json.dumps(one, indent=indent) for one in records)
    (tmp_path / "spans.json").write_text(text)
    report = import_file(Ledger(tmp_path / "home"), tmp_path / "spans.json")
    assert (report.format, report.read, report.added, report.skipped) == ("otel", 3, 30, 1)
    assert "put together" in report.lacks[0]


def test_one_bad_span_of_many_is_counted_and_the_others_come_in(tmp_path: Path) -> None:
    good, bad = test_otel.span(test_otel.TODAY), test_otel.span(test_otel.TODAY, startTimeUnixNano="soon")
    jsonl(tmp_path / "spans", [test_otel.request(bad, good)])
    jsonl(tmp_path / "more", [test_otel.request({**good, "spanId": "b" * 16})] * 2 + [test_otel.request(bad, good)])
    ledger = Ledger(tmp_path / "home")
    report = import_file(ledger, tmp_path / "more")
    assert (report.read, report.added, report.rejected) == (3, 2, 1)
    assert report.examples == [(3, "startTimeUnixNano is no time")]


def test_traces_bring_their_generations(tmp_path: Path) -> None:
    trace = {"id": "t", "name": "inbox", "observations": [test_langfuse.v2(), test_langfuse.v2(id="2", type="SPAN")]}
    array(tmp_path / "traces", [trace])
    report = import_file(Ledger(tmp_path / "home"), tmp_path / "traces")
    assert (report.format, report.added) == ("langfuse", 1)


def test_a_log_without_bodies_says_what_it_cannot_be_used_for(tmp_path: Path) -> None:
    records = [
        test_litellm.row(request_id=f"r-{n}", messages={}, response={}, proxy_server_request={}) for n in range(3)
    ]
    jsonl(tmp_path / "log", records)
    report = import_file(Ledger(tmp_path / "home"), tmp_path / "log")
    assert report.added == 3
    assert "nothing can be learned" in report.shortcomings[0]


def test_scores_come_along(tmp_path: Path) -> None:
    jsonl(tmp_path / "log", [test_helicone.request(feedback_rating=False)])
    ledger = Ledger(tmp_path / "home")
    import_file(ledger, tmp_path / "log")
    ((said,),) = ledger.feedback(["6f3b"]).values()
    assert (said.kind, said.value, said.via) == ("score", 0.0, "import")


@pytest.mark.parametrize("left", [0.3, 0.5])
def test_the_row_in_which_a_file_ends_is_no_call_and_comes_in_when_the_whole_file_does(
    tmp_path: Path, left: float
) -> None:
    table(tmp_path / "export", [test_litellm.row(request_id=f"r-{n}") for n in range(3)])
    whole = (tmp_path / "export").read_bytes()
    begins = whole.rindex(b"r-2")
    cut = tmp_path / "cut"
    cut.write_bytes(whole[: begins + int((len(whole) - begins) * left)])
    ledger = Ledger(tmp_path / "home")
    report = import_file(ledger, cut)
    assert (report.added, report.rejected) == (2, 1)
    assert report.examples[0][1] == "the file ends within this row"
    again = import_file(ledger, tmp_path / "export")
    assert (again.added, again.duplicates, again.rejected) == (1, 2, 0)
    (tmp_path / "bare").write_bytes(whole.rstrip())
    assert import_file(Ledger(tmp_path / "other"), tmp_path / "bare").added == 3
