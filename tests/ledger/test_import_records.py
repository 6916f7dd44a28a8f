"""Records out of files: lines, JSON arrays, pages and CSV; compressed, damaged, from any place on."""

import csv
import gzip
import io
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.errors import BadLog, NotFound
from freehold.ledger.importing import _lines, _values
from freehold.ledger.importing._opened import DAMAGED
from freehold.ledger.importing.protocol import Mark, Record
from freehold.ledger.importing.sources import FileSource, files_of, head_of

unhurried = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)

texts = st.text(max_size=12) | st.sampled_from(['"', "\\", '\\"', "{", "}]", '"data": [', "\n", "é", "\x00"])
leaves = st.none() | st.booleans() | st.integers() | texts
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
objects = st.lists(st.dictionaries(texts, values, max_size=4), max_size=6)
SHAPES = ("lines", "array", "page", "pages", "objects", "csv")


def written(shape: str, records: list[dict[str, Any]], indent: int | None) -> bytes:
    if shape == "lines":
        return b"".join(json.dumps(one).encode() + b"\n" for one in records)
    if shape == "array":
        return json.dumps(records, indent=indent).encode()
    if shape == "objects":
        # One after another, over several lines each: what `jq .` writes.
        return b"".join(json.dumps({"": 1, **one}, indent=1).encode() + b"\n" for one in records)
    page = {"object": "list", "first_id": '"data": [', "data": records, "has_more": False, "more": [{"a": 1}]}
    several = [page] if shape == "page" else [page, {"data": []}, page]
    return b"".join(json.dumps(one, indent=indent).encode() + b"\n" for one in several)


def read(path: Path, start: Mark = Mark()) -> list[Record]:  # noqa: B008
    return list(FileSource(path).records(start))


@pytest.mark.parametrize("shape", SHAPES[:-1])
@unhurried
@given(records=objects, indent=st.sampled_from([None, 2]), chunk=st.integers(1, 40), bom=st.booleans())
def test_records_come_out_as_they_went_in_and_from_any_place(
    tmp_path: Path, shape: str, records: list[dict[str, Any]], indent: int | None, chunk: int, bom: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbf" * bom + written(shape, records, indent))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_values, "_CHUNK", chunk)
        found = read(path)
        expected = records * 2 if shape == "pages" else records
        if shape == "objects":
            expected = [{"": 1, **one} for one in records]
        assert [json.loads(one.data) for one in found] == expected
        assert not any(one.fault for one in found)
        for n, one in enumerate(found):
            assert read(path, one.end) == found[n + 1 :]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)


@unhurried
@given(rows=st.lists(st.lists(cells, min_size=3, max_size=3), max_size=6), delimiter=st.sampled_from(",;\t"))
def test_rows_of_a_csv_are_objects_of_the_cells_that_are_not_empty(
    tmp_path: Path, rows: list[list[str]], delimiter: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([["a", "b", "c"], *rows])
    path = tmp_path / "file.csv"
    path.write_text(out.getvalue(), "utf-8", newline="")
    source = FileSource(path)
    assert (source.shape, source.columns) == ("csv", ("a", "b", "c"))
    found = list(source.records())
    assert [json.loads(one.data) for one in found] == [
        {name: cell for name, cell in zip("abc", row, strict=True) if cell} for row in rows
    ]
    for n, one in enumerate(found):
        assert read(path, one.end) == found[n + 1 :]


def test_a_csv_with_a_big_field_a_bad_row_and_bad_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    big = "x" * 5_000_000
    path.write_bytes(f'a,b\r\n1,"{big}"\r\n1,2,3\r\n'.encode() + b"\xff,2\r\n\r\n1,2\r\n")
    found = read(path)
    assert [one.fault for one in found] == ["", "3 cells under 2 columns", "not valid UTF-8", ""]
    assert (json.loads(found[0].data)["b"], [one.number for one in found]) == (big, [2, 3, 4, 6])


@pytest.mark.parametrize("how", ["gzip", "zstd"])
@pytest.mark.parametrize("shape", ["lines", "array", "csv"])
def test_compressed_files_and_their_damage(tmp_path: Path, how: str, shape: str) -> None:
    records = [{"a": str(n), "b": str(zlib.crc32(b"%d" % n)) * 5} for n in range(20_000)]
    if shape == "csv":
        data = "a,b\n" + "".join(f"{one['a']},{one['b']}\n" for one in records)
    else:
        data = written(shape, records, None).decode()
    packed = gzip.compress(data.encode(), 1) if how == "gzip" else zstandard.compress(data.encode(), 1)
    path = tmp_path / "file"
    path.write_bytes(packed)
    found = read(path)
    assert [json.loads(one.data) for one in found] == records
    assert read(path, found[7000].end) == found[7001:]
    cut = packed[: len(packed) // 2]
    spoiled = packed[: len(packed) // 2] + b"\xff" * 500 + packed[len(packed) // 2 + 500 :]
    for damaged in (cut, spoiled):
        path.write_bytes(damaged)
        found = read(path)
        assert [json.loads(one.data) for one in found[:1000]] == records[:1000]
        if damaged is cut:
            # What is spoiled in the middle may give anything before it is noticed; what ends early does not.
            assert 1000 < len(found) < 20_001
            assert [one.fault for one in found[-1:]] == [DAMAGED]


@unhurried
@given(data=st.binary(max_size=200), start=st.sampled_from([b"", b"{", b"[", b'{"data": [', b"a,b\n", b"\x1f\x8b"]))
def test_any_bytes_are_records_or_faults_and_never_an_exception(tmp_path: Path, data: bytes, start: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(start + data)
    try:
        source = FileSource(path)
    except BadLog:
        return
    numbers = [record.number for record in source.records()]
    assert numbers == sorted(numbers)


def test_an_element_that_is_no_json_does_not_hide_those_after_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b'[{"a":1},{"a":nonsense,},{"a":2}]')
    assert [one.data for one in read(path)] == [b'{"a":1}', b'{"a":nonsense,}', b'{"a":2}']


@pytest.mark.parametrize("text", [b'[{"a":1},{"a":', b'[{"a":1}},{"a":2}]', b'[{"a":1},{"a":"x]'])
def test_a_text_that_ends_early_or_closes_too_much_says_so(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(text)
    *found, last = read(path)
    assert [one.data for one in found if not one.fault] == [b'{"a":1}']
    assert "ends" in last.fault


def test_what_is_nested_deeply_is_cut_out_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "file"
    deep = b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    path.write_bytes(b"[" + deep + b',{"b":1}]')
    assert [one.data for one in read(path)] == [deep, b'{"b":1}']


@pytest.mark.parametrize("shape", ["lines", "array", "csv"])
def test_a_record_that_is_too_long_is_refused_alone(
    tmp_path: Path, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freehold.ledger.importing import _rows

    for module in (_lines, _values, _rows):
        monkeypatch.setattr(module, "MAX_RECORD_BYTES", 1000)
    monkeypatch.setattr(_values, "_CHUNK", 64)
    records = [{"a": "1", "b": "2"}, {"a": "x" * 5000, "b": "2"}, {"a": "3", "b": "4"}]
    path = tmp_path / "file"
    if shape == "csv":
        path.write_text("a,b\n" + "".join(f'"{one["a"]}",{one["b"]}\n' for one in records))
    else:
        path.write_bytes(written(shape, records, None))
    found = read(path)
    assert [one.fault for one in found if one.fault][:1] == ["longer than 64 MiB"]
    assert [json.loads(one.data)["b"] for one in found if one.data and json.loads(one.data)["a"] in "13"] == ["2", "4"]
    csv.field_size_limit(1 << 26)


def test_nul_bytes_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b'\r\n{"a":1}\r\n\x00\x00\n  \n{"a":2}')
    assert [(one.number, one.data.strip()) for one in read(path)] == [
        (2, b'{"a":1}'), (3, b"\x00\x00"), (5, b'{"a":2}'),
    ]  # fmt: skip


def test_the_head_is_read_past_what_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"{broken\n[1]\n" + b'{"a":1}\n' * 100)
    assert head_of(FileSource(path)).records == ({"a": 1},) * 20
    path.write_bytes(b"{broken\n" * 1000)
    with pytest.raises(BadLog, match="none of its first 200 records"):
        head_of(FileSource(path))


def test_folders_are_walked_by_name_and_each_file_comes_once(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a/c.jsonl", ".git/x", "a/.DS_Store"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    found = files_of([tmp_path, tmp_path / "b.jsonl"])
    assert found == [(tmp_path / "a/c.jsonl", False), (tmp_path / "b.jsonl", True)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound):
        files_of([tmp_path / "empty"])
