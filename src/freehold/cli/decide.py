"""What to do about it: ask, verdict, report, backtest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.errors import UsageError
from freehold.vocabulary import Verdict

from ._arguments import By, Json, Volume, factor, inside, page
from ._output import count, dim, emit, emit_struct, percent, say, suggest, table, talk, usd, working
from ._pages import scenarios_page, verdict_page, what_if_page

if TYPE_CHECKING:
    from freehold.services.declaring import Answered


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("ask")(ask)
    app.command("verdict")(verdict)
    app.command("what-if")(what_if)
    app.command("report")(report)
    app.command("backtest")(backtest)


def _rent(verdict: Verdict) -> str:
    from freehold.services import deciding

    rent = deciding.rent_usd(verdict)
    return usd(rent.mid if rent else None)


def ask(
    task: Annotated[str, typer.Argument(help="The task's name or id.")],
    answer: Annotated[list[str] | None, typer.Option(help="Answer without being asked: NAME=VALUE.")] = None,
    by: By = "cli",
    json: Json = False,
) -> None:
    """What no log shows: where data may be, what binds, who is there. Answers bind the verdict.

    Asks on a terminal; elsewhere, or with --json, prints what has been answered.

    Example: freehold ask sort_messages --answer residency=eu --answer strategic=no
    """
    from freehold.services import declaring
    from freehold.services.home import Home

    given = dict(_pair(one) for one in answer or ())
    with Home.open() as home:
        found = home.task(task)
        if not given and not json and sys.stdin.isatty():
            given = _asked(declaring.answered(home, found))
        if given:
            declaring.keep(home, found, declaring.parse(given), by=by)
    with Home.open() as home:
        rows = declaring.answered(home, found)
    if json:
        emit("freehold.ask/1", task=found.name, answers=rows)
        return
    cells = [[r.name, r.question, r.value if r.value is not None else "not known", r.origin, r.answers] for r in rows]
    table("Name|Question|Answer|Said in|Answers", cells, prose=True)
    suggest(f"freehold verdict {found.name}")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not value.strip():
        raise UsageError(f"--answer {text!r} is no NAME=VALUE", hint="--answer residency=eu")
    return name.strip(), value


def _asked(rows: list[Answered]) -> dict[str, str]:
    """Ask each question; an empty answer leaves things as they are."""
    talk(dim("Enter keeps what stands there; unknown takes an answer back."))
    given: dict[str, str] = {}
    for row in rows:
        now = row.value if row.value is not None else "not known"
        said = typer.prompt(
            f"{row.question} [{row.answers}] ({now})",
            default="",
            show_default=False,
            value_proc=lambda said, name=row.name: _sensible(name, said),
            err=True,  # stdout is for what comes out, and may be a file
        )
        if said:
            given[row.name] = said
    return given


def _sensible(name: str, said: str) -> str:
    """An answer as it was given; one that makes no sense is asked for again, and no other is lost."""
    from freehold.services import declaring

    if said.strip():
        try:
            declaring.parse({name: said})
        except UsageError as error:
            raise typer.BadParameter(f"{error.message}; {error.hint}") from None
    return said.strip()


def verdict(
    task: Annotated[str, typer.Argument(help="One task; all of them without it.")] = "",
    volume: Volume = "x1",
    scenarios: Annotated[bool, typer.Option("--scenarios", help="The answer under named scenarios.")] = False,
    json: Json = False,
) -> None:
    """Rent or own, per task: every option priced, and what would change the answer.

    Example: freehold verdict sort_messages --volume x100
    """
    from freehold.services import deciding, supposing
    from freehold.services.home import Home
    from freehold.verdict import words
    from freehold.verdict.schema import as_json, scenarios_json

    times = factor(volume)
    with Home.open() as home, working("running the numbers"):
        questions = deciding.questions(home, task_name=task, volume=times)
        verdicts = [deciding.answer(home, question) for question in questions]
        # a scenario costs as much as a verdict: asked for, or of one task in a document that is read by machines
        asked = scenarios or (json and bool(task))
        supposed = [supposing.suppose(home, question) for question in questions] if asked else []
    if json:
        rows = [as_json(v) for v in verdicts]
        for row, found in zip(rows, supposed, strict=False):
            row["scenarios"] = scenarios_json(found)
        emit("freehold.verdict/1", tasks=rows)
        return
    if scenarios:
        for made, found in zip(verdicts, supposed, strict=True):
            scenarios_page(made, found)
        return
    if task:
        verdict_page(verdicts[0])
        return
    rows = [[v.task_name, count(v.calls_per_month), _rent(v), words.verdict_sentence(v), v.reason] for v in verdicts]
    table("Task|>Calls a month|>Rent a month|Verdict|Why", rows, prose=True)
    suggest("freehold verdict TASK for every option, freehold report for the page")


def what_if(
    task: Annotated[str, typer.Argument(help="One task.")],
    changes: Annotated[list[str], typer.Argument(help="What changes: price=-50% volume=x3 gpu=+40% engineer=0.5 ...")],
    json: Json = False,
) -> None:
    """The verdict before and after a change of prices, volume or any input; nothing is kept.

    Example: freehold what-if sort_messages price=-50% volume=x3
    """
    from freehold.services.home import Home
    from freehold.services.what_if import parse, suppose
    from freehold.verdict.schema import fields

    wanted = parse(changes)
    with Home.open() as home, working("running the numbers"):
        result = suppose(home, task, wanted)
    if json:
        emit("freehold.what_if/1", **fields(result))
        return
    what_if_page(result)


def report(
    task: Annotated[str, typer.Argument(help="One task alone; without it, a page for all and one for each.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="Where to write it as HTML (freehold-report.html by default)")
    ] = None,
    pdf: Annotated[Path | None, typer.Option(help="Where to write it as PDF; HTML too where --out is given.")] = None,
    volume: Volume = "x1",
) -> None:
    """For whoever signs: the answer per task, the money, the risk, and the source of every figure.

    Example: freehold report --pdf board.pdf
    """
    from freehold.services import reporting
    from freehold.services.home import Home

    out = None if out is None else page(out)
    pdf = None if pdf is None else page(pdf, "--pdf")
    times = factor(volume)
    if out is None and pdf is None:
        out = page(Path("freehold-report.html"))
    with Home.open() as home, working("writing the report"):
        reporting.write(home, out=out, pdf_out=pdf, task_name=task, volume=times)
    for path in (out, pdf):
        if path is not None:
            say(f"written: {path}")


def backtest(
    log: Annotated[Path, typer.Argument(help='A log in the "calls" format.')],
    later: Annotated[Path | None, typer.Option(help="Judge on this log instead of the first one's end.")] = None,
    share: Annotated[float, typer.Option(help="The share of the time to learn on.")] = 0.7,
    against: Annotated[str, typer.Option(help="What right means: teacher or gold.")] = "teacher",
    alpha: Annotated[float, typer.Option(help="The share of kept answers that may be wrong.")] = 0.05,
    delta: Annotated[float, typer.Option(help="How often the promise itself may fail.")] = 0.05,
    volume: Volume = "x1",
    json: Json = False,
) -> None:
    """What owning would have done: learn on the earlier part of a log, be judged once on the later.

    Example: freehold backtest calls.jsonl --later later.jsonl
    """
    from freehold.services import backtesting, wording
    from freehold.services.certifying import parse_against
    from freehold.verdict import words

    share, alpha, delta = inside("--share", share), inside("--alpha", alpha), inside("--delta", delta)
    options = backtesting.BacktestOptions(share, alpha, delta, parse_against(against), factor(volume))
    with working("learning on the earlier part") as progress:
        result = backtesting.backtest(log, later, options, progress=progress)
    if json:
        emit_struct("freehold.backtest/1", result)
        return
    rows = [
        [
            t.name,
            count(t.calls_before),
            count(t.calls_after),
            wording.promise_short(t.certificate),
            percent(t.after.coverage if t.after else None),
            wording.realised(t.after),
            usd(t.after.saved_usd) if t.after else "-",
            words.word_text(t.verdict),
        ]
        for t in result.tasks
    ]
    columns = "Task|>Calls before|>after|Promised|>Kept|Realised risk|>Saved|Verdict"
    table(columns, rows)
    for line in wording.backtest(result):
        say(line)
