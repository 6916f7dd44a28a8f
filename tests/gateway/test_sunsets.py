"""Headers that announce a model's end are noted once, by any number of processes, and nothing else is."""

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.gateway._sunsets import Sunsets
from freehold.market.sunsets import FILE_NAME, read


def noted(home, *headers, provider="up", model="m-1"):
    sunsets = Sunsets(home)
    new = sunsets.note(provider, model, list(headers))
    sunsets.settle()
    return new


def test_what_a_header_says_is_kept_with_its_day_and_link(tmp_path):
    link = b'<https://example.org/other>; rel="help", <https://example.org/end>; rel="sunset"; type="text/html"'
    headers = [(b"sunset", b"Thu, 14 Jan 2027 23:59:59 GMT"), (b"deprecation", b"@1791936000"), (b"link", link)]
    assert noted(tmp_path, *headers)
    (one,) = read(tmp_path)
    assert (one.provider, one.model, one.sunset, one.deprecated) == ("up", "m-1", "2027-01-14", "2026-10-14")
    assert one.link == "https://example.org/end"
    assert one.seen_at.endswith("+00:00")


@pytest.mark.parametrize(
    ("headers", "sunset", "deprecated"),
    [
        ([(b"sunset", b"2027-01-14T00:00:00Z")], "2027-01-14", ""),
        ([(b"sunset", b"2027-01-14")], "2027-01-14", ""),
        ([(b"deprecation", b"true")], "", "yes"),
        ([(b"deprecation", b"Sat, 14 Nov 2026 00:00:00 GMT")], "", "2026-11-14"),
        ([(b"deprecation", b"true"), (b"sunset", b"nonsense")], "", "yes"),
    ],
)
def test_every_form_of_a_date_is_read(tmp_path, headers, sunset, deprecated):
    assert noted(tmp_path, *headers)
    (one,) = read(tmp_path)
    assert (one.sunset, one.deprecated) == (sunset, deprecated)


@pytest.mark.parametrize(
    "headers",
    [[], [(b"content-type", b"x")], [(b"sunset", b"")], [(b"sunset", b"soon")], [(b"deprecation", b"false")],
     [(b"deprecation", b"?0")], [(b"sunset", b"@99999999999999999999")], [(b"link", b'<https://x>; rel="sunset"')]],
)  # fmt: skip
def test_what_says_nothing_is_not_noted(tmp_path, headers):
    assert not noted(tmp_path, *headers)
    assert not (tmp_path / FILE_NAME).exists()


def test_the_same_is_noted_once_and_something_else_takes_its_place(tmp_path):
    sunsets = Sunsets(tmp_path)
    first = [(b"sunset", b"2027-01-14")]
    assert sunsets.note("up", "m-1", first)
    sunsets.settle()
    written = (tmp_path / FILE_NAME).stat().st_mtime_ns
    assert not sunsets.note("up", "m-1", first)
    sunsets.settle()
    assert (tmp_path / FILE_NAME).stat().st_mtime_ns == written
    assert sunsets.note("up", "m-2", first)
    assert sunsets.note("up", "m-1", [(b"sunset", b"2027-06-30")])
    sunsets.settle()
    assert {(one.model, one.sunset) for one in read(tmp_path)} == {("m-1", "2027-06-30"), ("m-2", "2027-01-14")}


def test_a_process_that_is_told_again_keeps_when_it_was_first_seen(tmp_path):
    noted(tmp_path, (b"sunset", b"2027-01-14"))
    (one,) = read(tmp_path)
    (tmp_path / FILE_NAME).write_text(
        json.dumps([{"provider": "up", "model": "m-1", "sunset": "2027-01-14", "seen_at": "x"}])
    )
    assert noted(tmp_path, (b"sunset", b"2027-01-14"))
    assert read(tmp_path)[0].seen_at == "x"
    assert one.seen_at != "x"


def test_processes_that_note_at_once_lose_nothing(tmp_path):
    together = threading.Barrier(4)

    def one(number):
        together.wait(10)
        noted(tmp_path, (b"sunset", b"2027-01-14"), model=f"m-{number}")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert {one.model for one in read(tmp_path)} == {f"m-{number}" for number in range(4)}


def test_models_that_clients_name_fill_no_memory(tmp_path):
    sunsets = Sunsets(tmp_path / "nowhere")
    taken = [sunsets.note("up", f"{number}" + "x" * 500, [(b"sunset", b"2027-01-14")]) for number in range(1100)]
    sunsets.settle()
    assert sum(taken) == 1000


def test_a_file_that_cannot_be_read_is_begun_anew(tmp_path):
    (tmp_path / FILE_NAME).write_text("{")
    assert read(tmp_path) == ()
    assert noted(tmp_path, (b"sunset", b"2027-01-14"))
    assert len(read(tmp_path)) == 1


@given(
    st.lists(st.tuples(st.sampled_from([b"sunset", b"deprecation", b"link", b"x"]), st.binary(max_size=40)), max_size=4)
)
def test_no_header_makes_it_fail(tmp_path_factory, headers):
    sunsets = Sunsets(tmp_path_factory.getbasetemp() / "no-such-folder")
    assert sunsets.note("up", "m", headers) in (True, False)
    sunsets.settle()
