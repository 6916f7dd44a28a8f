"""The report as HTML: it stands alone, says the answer first, traces every figure, and never trusts the traffic."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest
from tests.support import homes
from tests.support.names import MARKUP

from freehold.errors import MissingPrerequisite, NotFound
from freehold.services import _charts, discovering, ingest, reporting
from freehold.services.home import Home
from freehold.services.reporting import Material, Report
from freehold.services.reporting._parts import usd_range
from freehold.vocabulary import Range

_VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})
_NAMES = frozenset({"th", "caption", "h1", "h2", "h3", "header", "svg", "style", "title", "b"})
"""Where digits are part of a name or a heading, or are traced by what stands around them."""


class Element:
    """A node of the page: what it is called, and what stands in it."""

    def __init__(self, tag: str, attrs: dict[str, str], parent: Element | None) -> None:
        self.tag, self.attrs, self.parent = tag, attrs, parent
        self.children: list[Element] = []
        self.texts: list[str] = []

    def above(self) -> list[Element]:
        """It and everything around it."""
        found: list[Element] = []
        node: Element | None = self
        while node is not None:
            found.append(node)
            node = node.parent
        return found

    def all(self) -> list[Element]:
        """It and everything in it."""
        return [self, *(below for child in self.children for below in child.all())]

    def has(self, name: str) -> bool:
        """Whether it is of a class."""
        return name in self.attrs.get("class", "").split()

    def sourced(self) -> bool:
        """Whether it holds a link to its sources."""
        return any(one.has("from") for one in self.all())


class Page(HTMLParser):
    """A page as a tree."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = self._at = Element("", {}, None)
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs}, self._at)
        self._at.children.append(made)
        if tag not in _VOID:
            self._at = made

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._at.children.append(Element(tag, {name: value or "" for name, value in attrs}, self._at))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._at.tag, (tag, self._at.tag, self._at.attrs)
        assert self._at.parent is not None
        self._at = self._at.parent

    def handle_data(self, data: str) -> None:
        self._at.texts.append(data)


@pytest.fixture(scope="session")
def text(report: Report) -> str:
    """The page as it is written."""
    return reporting.html(report)


@pytest.fixture(scope="session")
def page(text: str) -> Page:
    """The page as a tree."""
    return Page(text)


def _glossary(node: Element) -> bool:
    table = next(one for one in node.above() if one.tag == "table")
    return any(one.texts == ["What the words mean"] for one in table.children)


def _traced(node: Element) -> bool:
    """Whether a figure in it leads to where it comes from: the entries of the sources are where it ends."""
    around = node.above()
    if any(one.tag in ("a", *_NAMES) or one.has("over") or _entry(one) for one in around):
        return True
    holder = next((one for one in around if one.tag in ("td", "p", "li", "figcaption") or one.has("tile")), None)
    if holder is None or holder.has("n"):
        return False
    if holder.tag == "td":
        return bool(holder.parent and holder.parent.sourced()) or _glossary(holder)
    if holder.has("tile"):
        return any(below.tag == "a" for below in holder.all())
    return holder.sourced() or holder.has("soft") or "Source: " in "".join(holder.texts)


def _entry(node: Element) -> bool:
    return node.tag == "tr" and bool(node.attrs.get("id"))


def test_every_figure_leads_to_its_source(page: Page) -> None:
    figures = [node for node in page.root.all() if re.search(r"\d", "".join(node.texts))]
    assert len(figures) > 400
    assert [
        ("".join(node.texts).strip(), [one.tag for one in node.above()]) for node in figures if not _traced(node)
    ] == []


def test_every_link_leads_somewhere_on_the_page(page: Page) -> None:
    nodes = page.root.all()
    ids = [
        node.attrs["id"] for node in nodes if "id" in node.attrs and not any(one.tag == "svg" for one in node.above())
    ]
    assert len(set(ids)) == len(ids)
    targets = [node.attrs["href"] for node in nodes if node.tag == "a" and "href" in node.attrs]
    assert len(targets) > 300
    assert {target[1:] for target in targets} <= set(ids)
    assert all(target.startswith("#") for target in targets)


def test_sources_name_calls_prices_certificate_and_every_assumption(materials: list[Material], text: str) -> None:
    for one in materials:
        for item in one.verdict.assumptions:
            assert item.name in text
            assert item.source.date[:10] in text
        for source in one.verdict.sources:
            assert source.name in unescape(text)
    owned = materials[0]
    assert owned.certificate is not None
    assert owned.certificate.id in text
    assert f"n = {owned.certificate.n}" in text
    assert "freehold calls --task" in text


def test_the_file_needs_no_network_and_runs_nothing(page: Page, text: str) -> None:
    nodes = page.root.all()
    assert not [node for node in nodes if node.tag in ("script", "link", "img", "iframe", "object", "embed", "form")]
    assert not [name for node in nodes for name in node.attrs if name.startswith("on") or name in ("src", "xlink:href")]
    assert "url(" not in text
    assert "@import" not in text
    left = text.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xlink", "")
    assert not re.search(r"https?://", left)


def test_names_out_of_the_traffic_are_only_text(page: Page, text: str) -> None:
    assert "<script>" not in text
    assert not re.search("[\u202a-\u202e\x00-\x08\x1b\x07]", text)
    said = "".join("".join(node.texts) for node in page.root.all())
    assert MARKUP in said


def test_tables_and_charts_speak_to_those_who_do_not_see_them(page: Page) -> None:
    nodes = page.root.all()
    tables = [node for node in nodes if node.tag == "table"]
    assert len(tables) > 20
    for table in tables:
        inside = table.all()
        assert any(node.tag == "caption" and "".join(node.texts).strip() for node in inside)
        assert {node.attrs.get("scope") for node in inside if node.tag == "th"} == {"col", "row"}
        columns = sum(node.attrs.get("scope") == "col" for node in inside)
        assert {len(row.children) for row in inside if row.tag == "tr"} == {columns}
    charts = [node for node in nodes if node.has("chart")]
    assert len(charts) >= 7
    assert all(node.attrs["role"] == "img" and len(node.attrs["aria-label"]) > 30 for node in charts)
    assert [node.tag for node in nodes if node.tag in ("h1", "h2")].count("h1") == 1


def test_the_portfolio_comes_first_and_adds_up(report: Report, materials: list[Material]) -> None:
    first, *others = report.pages
    assert first.id == "portfolio"
    assert first.title == "Own 1 of 2 tasks and keep renting 1"
    assert [page.id for page in others] == [one.verdict.task_id for one in materials]
    owned = materials[0]
    assert owned.outlook is not None
    assert "In over 99.9" in first.answer.text or re.search(r"In \d+\s%", first.answer.text)
    assert [tile.label for tile in first.tiles][:3] == [
        "a month now, everything rented",
        "a month with the answers below",
        "better off after 24 months, in today's money",
    ]


def test_a_task_alone_has_no_portfolio(walked: Home, materials: list[Material], tmp_path: Path) -> None:
    out = tmp_path / "folder" / "one.html"
    reporting.write(walked, out=out, task_name=materials[1].verdict.task_id)
    text = out.read_text("utf-8")
    assert "Keep renting" in text
    assert 'id="portfolio"' not in text
    assert materials[0].verdict.task_id not in text


def test_a_task_without_a_price_stands_beside_the_others_and_out_of_the_sums(tmp_path: Path) -> None:
    rng = random.Random(3)
    lines = [homes.colour_line(n, rng) for n in range(60)] + [homes.essay_line(n, rng) for n in range(60)]
    for line in lines[60:]:
        line["request"]["model"] = line["response"]["model"] = "nobody-knows"
    with homes.home(tmp_path / "home") as home:
        ingest.import_log(home, homes.write_log(tmp_path / "calls.jsonl", lines))
        discovering.find_tasks(home)
        made = reporting.content(home, reporting.gather(home))
        text = reporting.html(made)
    assert "1 of the tasks has no known price and is not in it" in made.pages[0].answer.text
    assert "State the price" in text
    assert "not known" in text
    page = Page(text)
    ids = {node.attrs.get("id") for node in page.root.all()}
    assert {node.attrs["href"][1:] for node in page.root.all() if node.tag == "a"} <= ids
    assert [node.texts for node in page.root.all() if re.search(r"\d", "".join(node.texts)) and not _traced(node)] == []


def test_what_is_missing_is_said(walked: Home, tmp_path: Path) -> None:
    with homes.home(tmp_path / "home") as home, pytest.raises(MissingPrerequisite):
        reporting.write(home, out=tmp_path / "report.html")
    with pytest.raises(NotFound):
        reporting.write(walked, out=tmp_path / "report.html", task_name="nobody")


def test_small_amounts_are_no_millions() -> None:
    def bill(name: str, usd: str) -> _charts.Bill:
        month = Range(Decimal(usd) / 2, Decimal(usd), Decimal(usd) * 2)
        return _charts.Bill(name, month, month)

    drawn = _charts.bills_chart([bill("small", "0.02"), bill("large", "3_000_000")])
    assert {"$0.01", "$1", "$10k", "$1M"} <= set(re.findall(r">(\$[^<]*)</text>", drawn))
    assert not re.search(r">\$[^<]*[mµ]</text>", drawn)
    assert usd_range(Decimal("0.0044"), Decimal("0.005")) == "<$0.01 to <$0.01"


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("place", [0, 1, 2], ids=["light", "dark", "print"])
def test_text_and_lines_stand_out_from_their_ground(place: int) -> None:
    css = (files("freehold.services") / "templates" / "report.css").read_text("utf-8")
    block = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[place]
    found = {name: _whole(value) for name, value in re.findall(r"--([a-z-]+): (#[0-9a-f]+)", block)}
    for ground in ("paper", "card"):
        for ink in ("ink", "soft", "own", "rent", "none", "warn"):
            assert _contrast(found[ink], found[ground]) >= 4.5, (ink, ground)
        for line in (name for name in found if name.startswith("c-") and name != "c-bar"):
            assert _contrast(found[line], found[ground]) >= 3, (line, ground)
    for tone in ("own", "rent", "none"):
        assert _contrast(found[tone], found[f"{tone}-wash"]) >= 4.5, tone


def test_every_colour_of_the_charts_has_one_for_the_dark() -> None:
    css = (files("freehold.services") / "templates" / "report.css").read_text("utf-8")
    for colour in [_charts.INK, *(colour for _, colour in (*_charts.COLOURS.values(), _charts.LEANER))]:
        assert f'[fill="{colour}"]' in css
        assert f'[stroke="{colour}"]' in css


def _whole(colour: str) -> str:
    return colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
@pytest.mark.slow
@pytest.mark.parametrize("width", [500, 1200])
def test_no_page_is_wider_than_its_window(text: str, tmp_path: Path, width: int) -> None:
    probe = "<script>document.title = 'w' + (document.documentElement.scrollWidth - innerWidth)</script></body>"
    file = tmp_path / "page.html"
    file.write_text(text.replace("</body>", probe), encoding="utf-8")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900", "--dump-dom"]
    done = subprocess.run([*command, file.as_uri()], capture_output=True, text=True, check=True, timeout=60)
    found = re.search("<title>w(-?[0-9]+)</title>", done.stdout)
    assert found is not None
    assert int(found[1]) <= 0
