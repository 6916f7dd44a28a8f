"""The report for whoever signs: a page for all tasks and one for each, as one HTML file or as a PDF, without a network.

Both are drawn from the same content (`_parts.Report`), which is made from the verdicts and what is drawn beside them.
"""

from __future__ import annotations

from pathlib import Path

from freehold.errors import MissingPrerequisite
from freehold.services import deciding, radar, supposing
from freehold.services.home import Home
from freehold.verdict.outlook import outlook
from freehold.vocabulary import Certificate, Task, Verdict

from . import _html, _pdf, _portfolio, _task
from ._parts import Report
from ._task import Material

__all__ = ["Material", "Report", "content", "gather", "html", "pdf", "pdf_extra", "standing", "write"]

html = _html.render
pdf = _pdf.render
pdf_extra = _pdf.check


def write(
    home: Home, *, out: Path | None = None, pdf_out: Path | None = None, task_name: str = "", volume: float = 1.0
) -> None:
    """Write the report of all tasks, or of one, as HTML and as PDF, each where a path is given.

    Raises:
        MissingPrerequisite: no calls have been recorded yet, or the extra for PDF is not installed.
        NotFound: there is no such task.
    """
    if pdf_out is not None:
        pdf_extra()
    made = content(home, gather(home, task_name=task_name, volume=volume))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(html(made), encoding="utf-8")
    if pdf_out is not None:
        pdf_out.parent.mkdir(parents=True, exist_ok=True)
        pdf_out.write_bytes(pdf(made))


def gather(home: Home, *, task_name: str = "", volume: float = 1.0) -> list[Material]:
    """What the pages are made from, largest task first. Verdicts are kept in the registry, as of `freehold verdict`.

    Raises:
        MissingPrerequisite: no calls have been recorded yet.
        NotFound: there is no such task.
    """
    return [_material(home, question) for question in deciding.questions(home, task_name=task_name, volume=volume)]


def content(home: Home, tasks: list[Material]) -> Report:
    """The pages: the portfolio's, unless there is one task alone, and each task's.

    Raises:
        MissingPrerequisite: there is no task.
    """
    if not tasks:
        raise MissingPrerequisite("no tasks have been found yet", hint="freehold import LOG, then freehold tasks")
    pages = tuple(_task.page(one) for one in tasks)
    if len(tasks) > 1:
        pages = (_portfolio.page(tasks, radar.at_risk(home)), *pages)
    return Report(f"{pages[0].title}", tasks[0].verdict.made_at[:10], pages)


def _material(home: Home, question: deciding.Question) -> Material:
    verdict = deciding.answer(home, question)
    certificate, share = standing(home, question.task)
    asked = (question.workload, question.quality, question.constraints, home.settings.economics, question.as_of)
    return Material(
        task=question.task,
        verdict=verdict,
        outlook=outlook(verdict, *asked, home.prices),
        scenarios=supposing.suppose(home, question),
        certificate=certificate,
        share=share,
        model=_model(question, verdict),
    )


def _model(question: deciding.Question, verdict: Verdict) -> str:
    return "/".join(part for part in question.workload.model if part) if verdict.calls_per_month else ""


def standing(home: Home, task: Task) -> tuple[Certificate | None, float | None]:
    """A task's certificate, and the share of its calls that an owned model answers now (None: no model is serving)."""
    certificate = deciding.standing_certificate(home, task)
    stage = home.registry.stage(task.id).stage
    if certificate is None or not certificate.certified or stage not in ("canary", "full"):
        return certificate, None
    declared = home.task_settings(task)
    canary = deciding.first(declared.canary_share, home.settings.certificate.canary_share)
    return certificate, certificate.coverage * (canary if stage == "canary" else 1.0)
