"""The report as a PDF, set by Typst from the same content as the HTML: `pip install 'freehold[pdf]'`.

The template gets the content as JSON, so that no name out of traffic is ever read as markup, and may read no file and
no package. It needs no browser and no system library, and its fonts are inside Typst.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import msgspec

from freehold.errors import FreeholdError, MissingPrerequisite
from freehold.services._charts import plain

from ._parts import Report

_EXTRA = "pip install 'freehold[pdf]'"
_FONT = "Libertinus Serif"
_ACCESSIBLE = ["ua-1"]
"""PDF/UA-1: tagged, with a language, a title and words for every chart."""


def check() -> None:
    """Whether a PDF can be made here.

    Raises:
        MissingPrerequisite: the extra is not installed.
    """
    if find_spec("typst") is None:
        raise MissingPrerequisite(
            "a PDF needs the extra pdf, which is not installed", hint=_EXTRA, code="missing_extra"
        )


def render(report: Report) -> bytes:
    """The whole document.

    Raises:
        MissingPrerequisite: the extra is not installed.
        FreeholdError: it cannot be set, which is a fault of ours.
    """
    check()
    typst: Any = import_module("typst")
    inputs = {"report": msgspec.json.encode(_printable(report)).decode()}
    made = datetime.fromisoformat(report.made_on).replace(tzinfo=UTC)
    found: bytes | None = None
    for standards in (_ACCESSIBLE, []):
        try:
            found = typst.compile(_template(), format="pdf", sys_inputs=inputs, timestamp=made, pdf_standards=standards)
            break
        except typst.TypstError as error:
            # no font of this machine has a name's letters, which the standard forbids: boxes are better than no PDF
            if not standards:
                raise FreeholdError(f"this is a fault of ours: the PDF cannot be set: {error.message}") from None
    assert found is not None
    return found


def _template() -> bytes:
    return (files("freehold.services") / "templates" / "report.typ").read_bytes()


def _printable(report: Report) -> Any:
    """The content as JSON values, its charts in the document's own font."""
    value: Any = plain(msgspec.to_builtins(report))
    for page in value["pages"]:
        for section in page["sections"]:
            for block in section["blocks"]:
                if block["kind"] == "chart":
                    block["svg"] = block["svg"].replace("Helvetica, Arial, Liberation Sans, sans-serif", _FONT)
    return value
