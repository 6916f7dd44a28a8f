"""The report as one HTML file: styles and charts inside, no script, nothing fetched."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from freehold.services._charts import plain

from ._parts import Report


def render(report: Report) -> str:
    """The whole document."""
    css = (files("freehold.services") / "templates" / "report.css").read_text("utf-8")
    return _environment().get_template("report.html.j2").render(css=css, report=plain(msgspec.to_builtins(report)))


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("freehold.services"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
