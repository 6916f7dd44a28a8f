"""The report as a PDF: it opens, can be searched, its links lead somewhere, and names are never read as markup."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from tests.support.names import MARKUP

from freehold.errors import MissingPrerequisite
from freehold.services import reporting
from freehold.services._charts import plain
from freehold.services.home import Home
from freehold.services.reporting import Material, Report, _pdf
from freehold.services.reporting._parts import Lines, Section, Text

pypdf = pytest.importorskip("pypdf", reason="reads the PDF back; in the development environment")
pytest.importorskip("typst", reason="sets the PDF: pip install 'freehold[pdf]'")


@pytest.fixture(scope="session")
def document(report: Report) -> pypdf.PdfReader:
    """The PDF, read back."""
    return pypdf.PdfReader(io.BytesIO(reporting.pdf(report)))


def _squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.fixture(scope="session")
def said(document: pypdf.PdfReader) -> list[str]:
    """The text of each page, without its blanks."""
    return [_squeezed(page.extract_text()) for page in document.pages]


def test_it_holds_what_the_content_holds(said: list[str], report: Report) -> None:
    whole = "".join(said)
    for page in report.pages:
        assert _squeezed(page.answer.text) in whole
        for tile in page.tiles:
            assert _squeezed(tile.cell.text) in whole
        for section in page.sections:
            assert _squeezed(section.title) in whole
    assert _squeezed(MARKUP) in whole


def test_pages_are_numbered_dated_and_what_is_signed_is_a_page_each(
    document: pypdf.PdfReader, said: list[str], report: Report
) -> None:
    count = len(document.pages)
    for number, text in enumerate(said, 1):
        assert f"{number}/{count}" in text
        assert report.made_on in text
    titles = [plain(page.title) for page in report.pages]
    bookmarks = [entry for entry in document.outline if not isinstance(entry, list)]
    assert [entry.title for entry in bookmarks] == [*titles, *(f"Annex: {title}" for title in titles)]
    begun = [document.get_destination_page_number(entry) for entry in bookmarks]
    assert begun[: len(titles) + 1] == list(range(len(titles) + 1))
    assert begun == sorted(set(begun))
    for text, page in zip(said, report.pages, strict=False):
        leads = [section for section in page.sections if section.lead]
        assert leads
        assert all(_squeezed(section.title) in text for section in leads)


def test_a_page_with_much_on_it_stays_one_page(report: Report) -> None:
    *others, page = report.pages
    many = tuple(Text(f"Point {n}: " + "there is much to be said of this. " * 4) for n in range(20))
    much = Section("Much", (Lines(many),), lead=True)
    full = msgspec.structs.replace(page, sections=(much, *page.sections))
    found = pypdf.PdfReader(io.BytesIO(reporting.pdf(msgspec.structs.replace(report, pages=(*others, full)))))
    place = len(others)
    assert "Point19" in _squeezed(found.pages[place].extract_text())
    assert _squeezed(plain(report.pages[0].title)) in _squeezed(found.pages[place + 1].extract_text())


def test_links_lead_to_pages_of_the_document(document: pypdf.PdfReader) -> None:
    links = [
        annotation.get_object()
        for page in document.pages
        for annotation in page.get("/Annots", [])
        if annotation.get_object()["/Subtype"] == "/Link"
    ]
    assert len(links) > 300
    for link in links:
        assert "/URI" not in link.get("/A", {})
        assert "/Dest" in link or link["/A"]["/S"] == "/GoTo"


def test_its_title_and_language_are_set(document: pypdf.PdfReader, report: Report) -> None:
    assert document.metadata is not None
    assert document.metadata.title == report.title
    root = document.trailer["/Root"]
    assert root["/Lang"] == "en"
    assert root["/MarkInfo"]["/Marked"]


def test_the_same_report_is_the_same_file(report: Report) -> None:
    assert reporting.pdf(report) == reporting.pdf(report)


def test_it_is_written_beside_or_without_the_page(walked: Home, materials: list[Material], tmp_path: Path) -> None:
    out = tmp_path / "deep" / "board.pdf"
    reporting.write(walked, pdf_out=out, task_name=materials[1].verdict.task_id)
    assert out.read_bytes().startswith(b"%PDF-")
    assert list(out.parent.iterdir()) == [out]


def test_without_the_extra_it_says_what_to_install_and_does_nothing(
    walked: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pdf, "find_spec", lambda _name: None)
    with pytest.raises(MissingPrerequisite) as caught:
        reporting.write(walked, out=tmp_path / "page.html", pdf_out=tmp_path / "board.pdf")
    assert caught.value.hint == "pip install 'freehold[pdf]'"
    assert caught.value.error_code == "missing_extra"
    assert list(tmp_path.iterdir()) == []
