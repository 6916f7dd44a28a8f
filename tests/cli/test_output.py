"""What commands print is data: nothing in it is read as markup, and no control character reaches a terminal."""

from __future__ import annotations

import io
import re
import sys
from decimal import Decimal

import pytest

from freehold.cli import _output

HOSTILE = "[/urgent] [red]a[/red] [providers.NAME] :smile: \x1b[31mred\x9b"
PRINTED = "[/urgent] [red]a[/red] [providers.NAME] :smile: \ufffd[31mred\ufffd"


def test_prose_talk_and_tables_print_data_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    _output.say(HOSTILE)
    _output.say(_output.warn(HOSTILE), "; ", _output.dim(HOSTILE))
    _output.table("What|Why", [[HOSTILE, "b"]])
    _output.talk(HOSTILE)
    _output.suggest(HOSTILE)
    with _output.working(HOSTILE) as progress:
        progress(HOSTILE)
    printed = capsys.readouterr()
    assert printed.out.count(PRINTED) == 4
    assert printed.err.count(PRINTED) == 2
    assert "\x1b" not in printed.out + printed.err


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("width", "apart"), [("60", True), ("120", False)])
def test_sentences_leave_a_table_that_has_no_room_for_them(
    monkeypatch: pytest.MonkeyPatch, width: str, apart: bool
) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("TERM", "xterm")
    _output.table("Task|>Calls|Why", [["sort_messages", "1,200", "because " * 8]], prose=True)
    printed = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert ("sort_messages: because" in printed) is apart
    assert all(len(line) <= int(width) for line in printed.splitlines())


def test_a_sentence_that_several_rows_share_is_said_once_under_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("TERM", "xterm")
    _output.table("Option|Why", [["a", "nobody knows it"], ["b", ""], ["c", "nobody knows it"]], prose=True)
    printed = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert printed.count("nobody knows it") == 1
    assert "a; c: nobody knows it" in printed


def test_a_name_with_a_line_break_stays_in_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    _output.table("Name|Cost", [["two\nlines", "$1"], ["b", "$2"]])
    lines = capsys.readouterr().out.splitlines()
    assert any("two lines" in line and "$1" in line for line in lines)


def test_a_terminal_gets_lines_that_break_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    _output.say("sentence " * 12)
    lines = [line.strip() for line in terminal.getvalue().splitlines()]
    assert len(lines) > 1
    assert {word for line in lines for word in line.split()} == {"sentence"}


_WIDE = "Task|Model|>Calls|>Would save|What"
_NAMES = ("sort_messages_customers_of_the_shop", "airline_agent_policy")


def _printed(monkeypatch: pytest.MonkeyPatch, width: int, columns: str, rows: list[list[str]]) -> list[str]:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    _output.table(columns, rows)
    return re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).splitlines()


@pytest.mark.parametrize("width", [56, 64, 80, 100, 200])
def test_a_narrow_terminal_breaks_neither_names_nor_figures(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    rows = [[name, "gpt-4.1-mini", "1,489 of 1,957", "$9.16", "history that was resent"] for name in _NAMES]
    lines = _printed(monkeypatch, width, _WIDE, rows)
    assert max(map(len, lines)) <= width
    for whole in (*_NAMES, "gpt-4.1-mini", "1,489 of 1,957", "$9.16"):
        assert sum(whole in line for line in lines) >= 1, whole
    words = {word for line in lines for word in line.split()}
    assert {"Task", "Model", "Calls", "Would", "save", "history", "resent"} <= words


def test_rows_that_share_a_name_stand_under_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["latency need", f"latency_ms_p{p}", f"{p} ms", f"{p} to {p + 2}", "1,000 of 2,000"] for p in (50, 95)]
    rows[1][0] = ""
    lines = _printed(monkeypatch, 60, "|Statistic|>Value|>Interval|>Of", rows)
    at = lines.index(" latency need")
    assert [line.split()[0] for line in lines[at + 1 : at + 3]] == ["latency_ms_p50", "latency_ms_p95"]


@pytest.mark.parametrize("width", [80, 200])
def test_a_row_of_very_many_columns_is_shown_field_by_field(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    names = [f"column_number_{n}" for n in range(40)]
    lines = _printed(monkeypatch, width, "|".join(names), [[f"value-{n}" for n in range(40)]] * 2)
    assert max(map(len, lines)) <= width
    shown = [line.split() for line in lines if line.strip()]
    assert shown == [[name, f"value-{n}"] for n, name in enumerate(names)] * 2


def test_a_table_without_rows_is_its_headings(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"column_number_{n}" for n in range(40)]
    assert "column_number_39" in " ".join(_printed(monkeypatch, 80, "|".join(names), []))
    assert "calls" in " ".join(_printed(monkeypatch, 80, "model|calls", []))


def test_what_is_indented_stays_so_where_a_terminal_breaks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    _output.say("  first " * 8, "\n  second " * 2)
    assert {len(line) - len(line.lstrip()) for line in terminal.getvalue().splitlines()} == {2}


def test_a_terminal_gets_empty_lines_too(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    _output.say("above")
    _output.say()
    _output.say("below\n\n  end")
    assert [line.rstrip() for line in terminal.getvalue().split("\n")] == ["above", "", "below", "", "  end", ""]


def test_an_amount_that_is_not_nothing_never_reads_as_nothing() -> None:
    said = ["unknown", "$0.00", "<$0.01", "<$0.01", ">-$0.01", "$0.01", "$99.99", "$1,234"]
    amounts = [None, 0, "0.0001", "0.005", "-0.005", "0.0051", "99.99", "1234.4"]
    assert [_output.usd(None if one is None else Decimal(one)) for one in amounts] == said
