"""A task's contract: what it says, what has changed, and who breaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ._arguments import Json
from ._output import bad, count, emit, emit_struct, good, percent, say, suggest, table, warn, working

if TYPE_CHECKING:
    from freehold.services.checking import Checked
    from freehold.services.contracting import Reviewed, VersionRow


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("contract")(contract)


def contract(
    task: str,
    sign: Annotated[str, typer.Option(help="Sign the contract learned last, or --version, with your name.")] = "",
    version: Annotated[str, typer.Option("--version", help="Show or sign this version.")] = "",
    versions: Annotated[bool, typer.Option("--versions", help="Every version there was.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="What the version learned last says otherwise.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Judge the answers that came later; count breaches.")] = False,
    json: Json = False,
) -> None:
    """What the code around a task relies on, learned from its answers, each clause with what it rests on.

    A signed version stays in force until somebody signs a newer one.

    Example: freehold contract sort_messages --sign "Rosa"
    """
    from freehold.services import checking, contracting
    from freehold.services.home import Home

    with Home.open() as home:
        found = home.task(task)
        if sign:
            contracting.contract(home, found, sign=sign, version=version)
        if check:
            with working("judging later answers"):
                done = checking.check(home, found)
            emit_struct("freehold.contract_check/1", done) if json else _checked(done)
            return
        if versions:
            rows = contracting.versions(home, found)
            emit("freehold.contract_versions/1", task=found.name, versions=rows) if json else _versions(rows)
            return
        shown = contracting.review(home, found, version=version)
        judged = checking.known(home).get(found.id)
    if json:
        emit_struct("freehold.contract/1", shown)
    elif diff:
        _differences(shown)
    else:
        _reviewed(shown, judged)


def _reviewed(shown: Reviewed, judged: tuple[int, int] | None) -> None:
    one = shown.contract
    signed = good(f"signed by {one.signed_by}") if one.signed_by else warn("learned, not signed")
    sample = f" of {count(one.n_seen)} seen" if one.n_seen > one.n_answers else ""
    standing = "" if shown.in_force else "; not in force"
    say(
        f"version {one.version}, ", signed, f", from {count(one.n_answers)} answers{sample}; form: {one.form}{standing}"
    )
    rows = [
        [
            r.name,
            r.rule,
            count(r.n),
            percent(r.share, 2),
            f"<= {percent(r.breach_upper, 2)}",
            _unseen(r.unseen_share, r.unseen_upper),
        ]
        for r in shown.clauses
    ]
    table("Clause|What answers keep to|>Answers|>Keep it|>Break it, 95 % sure|>Values not seen yet", rows)
    if judged is not None and judged[0]:
        say(f"Of {count(judged[0])} later answers {count(judged[1])} broke a clause when last checked.")
    if shown.proposed is not None:
        say(warn(f"Version {shown.proposed.version} was learned since and waits for a signature."))
        suggest(f"freehold contract {shown.task} --diff")
    elif not one.signed_by:
        suggest(f"freehold contract {shown.task} --sign NAME")
    else:
        suggest(f"freehold contract {shown.task} --check")


def _unseen(share: float | None, upper: float | None) -> str:
    return "" if share is None or upper is None else f"{percent(share, 2)}, <= {percent(upper, 2)}"


def _differences(shown: Reviewed) -> None:
    if shown.proposed is None:
        say(f"version {shown.contract.version} is what was learned last: there is nothing to compare")
        return
    say(f"version {shown.proposed.version}, not signed, against {shown.contract.version} in force:")
    table("|Clause|What is different", [[d.kind, d.clause, d.text] for d in shown.differences])
    suggest(f"freehold contract {shown.task} --sign NAME")


def _versions(rows: list[VersionRow]) -> None:
    table(
        "Version|Learned|>Answers|>Clauses|Signed|In force|Against the one before",
        [
            [
                r.version,
                r.learned_at[:19],
                count(r.n_answers),
                str(r.clauses),
                f"{r.signed_by}, {r.signed_at[:10]}" if r.signed_by else "-",
                "yes" if r.in_force else "",
                "; ".join(f"{d.kind} {d.clause}: {d.text}" for d in r.differences),
            ]
            for r in rows
        ],
        prose=True,
    )


def _checked(done: Checked) -> None:
    if not done.answers:
        say(f"version {done.version}: no answer has come since it was learned ({done.since or 'no time is known'})")
        return
    say(f"version {done.version}: {count(done.answers)} answers since {done.since}, up to {done.until}")
    table(
        "Model|>Answers|>Break a clause|>Share|>95 % interval",
        [
            [
                _whose(m.owner, m.purpose, m.model),
                count(m.answers),
                count(m.in_breach),
                percent(m.share, 2),
                _interval(m.interval.low, m.interval.high),
            ]
            for m in done.models
        ],
    )
    if not done.breaches:
        say(good("Every answer keeps every clause."))
        return
    table(
        "Clause|Rule|Model|>Broken|>Of|>Share|>95 % interval|First call|Last call",
        [
            [
                bad(b.clause),
                b.rule,
                _whose(b.owner, b.purpose, b.model),
                count(b.broken),
                count(b.n),
                percent(b.share, 2),
                _interval(b.interval.low, b.interval.high),
                b.first_call,
                b.last_call,
            ]
            for b in done.breaches
        ],
    )
    suggest(f"freehold explain {done.breaches[0].last_call} --content")


def _interval(low: float, high: float) -> str:
    return f"{percent(low, 2)} to {percent(high, 2)}"


def _whose(owner: str, purpose: str, model: str) -> str:
    return f"{owner} {model}" if purpose == "served" else f"{owner} {model}, {purpose}"
