"""What commands print is data: nothing in it is read as markup, and no control character reaches a terminal."""

from __future__ import annotations

import io
import re
import sys

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


def test_a_terminal_gets_lines_that_break_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    _output.say("sentence " * 12)
    lines = [line.strip() for line in terminal.getvalue().splitlines()]
    assert len(lines) > 1
    assert {word for line in lines for word in line.split()} == {"sentence"}
