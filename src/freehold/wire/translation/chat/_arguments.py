"""When the arguments of a call that is streamed are whole."""

from __future__ import annotations

import re

_MARK = re.compile(r'\\.|["{}\[\]]', re.DOTALL)


class Arguments:
    """Follows the text of a JSON object (or list) as it comes, without reading it.

    `whole`: it has ended, and nothing but white space can follow. Other values are never whole, since more digits may
    follow a number. Nothing is promised of text that is no JSON.
    """

    __slots__ = ("_depth", "_escape", "_quoted", "whole")

    def __init__(self) -> None:
        self.whole = False
        self._depth = 0
        self._quoted = False
        self._escape = ""

    def add(self, text: str) -> None:
        """More of the text."""
        text = self._escape + text
        self._escape = "\\" if (len(text) - len(text.rstrip("\\"))) % 2 else ""  # cut before what it escapes
        for mark in _MARK.findall(text):
            if mark == '"':
                self._quoted = not self._quoted
            elif self._quoted or mark[0] == "\\":
                continue
            elif mark in "{[":
                self._depth += 1
            else:
                self._depth -= 1
                self.whole |= not self._depth
