"""The report: one file that needs no network, says the answer first, and never trusts what the traffic says."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.support import homes

from freehold.errors import MissingPrerequisite
from freehold.services import deciding, discovering, ingest, reporting


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.fetched: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        if tag == "a" and (found.get("href") or "").startswith("#"):
            self.targets.append((found["href"] or "")[1:])
        self.fetched += [found[name] or "" for name in ("src", "data") if name in found]
        self.fetched += [found["href"] or ""] if tag == "link" else []
        self.scripts += tag == "script"


def test_the_page_stands_alone_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    log = homes.colours_log(tmp_path / "calls.jsonl", 200, essays=60)
    with homes.home(tmp_path / "home") as home:
        ingest.import_log(home, log)
        discovering.find_tasks(home)
        home.registry.rename(home.registry.tasks()[0].id, "<script>alert(1)</script>", by="test")
        verdicts = deciding.verdicts(home)
        path = reporting.write(home, tmp_path / "folder" / "report.html", verdicts=verdicts)
    text = path.read_text("utf-8")
    page = _Page()
    page.feed(text)
    assert not page.fetched
    assert not page.scripts
    assert "&lt;script&gt;" in text
    assert set(page.targets) == {v.task_id for v in verdicts} <= set(page.ids)
    assert "Keep renting: no task is worth owning" in text
    for verdict in verdicts:
        for option in verdict.options:
            assert option.name in text
    assert len(re.findall("<svg", text)) >= len(verdicts)


def test_without_calls_there_is_no_report(tmp_path: Path) -> None:
    with homes.home(tmp_path / "home") as home, pytest.raises(MissingPrerequisite):
        reporting.write(home, tmp_path / "report.html")
