"""Owning: train, certify, promote, roll back, and the bundle's export, verification and rebuilding."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freehold.errors import UsageError

from ._arguments import By, Json, inside
from ._output import emit_struct, good, say, suggest, warn, working
from .workflows import certified_workflow, lapsed_promises


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    for command in (train, certify, promote, rollback, export, deploy, verify, rebuild):
        app.command()(command)


def train(
    task: str,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Same calls, same seed, same weights.")] = 0,
    json: Json = False,
) -> None:
    """Train the cheapest student of a task that suffices, on this machine's CPU.

    Example: freehold train sort_messages
    """
    from freehold.services import training, wording
    from freehold.services.home import Home

    with Home.open() as home, working(f"training a student of {task}") as progress:
        report = training.train(home, home.task(task), seed=seed, progress=progress)
    if json:
        emit_struct("freehold.train/1", report)
        return
    for line in wording.training(report):
        say(line)
    suggest(f"freehold certify {task}" if report.suffices else f"freehold verdict {task}")


def certify(
    task: Annotated[str, typer.Argument(help="The task whose student is to be certified.")] = "",
    alpha: Annotated[float | None, typer.Option(help="The share of kept answers (of runs) that may be wrong.")] = None,
    delta: Annotated[float | None, typer.Option(help="How often the promise itself may fail.")] = None,
    against: Annotated[str, typer.Option(help="What right means: teacher or gold.")] = "",
    workflow: Annotated[str, typer.Option(help="Certify this workflow's runs instead of a task.")] = "",
    of: Annotated[str, typer.Option(help="With --workflow: of whole (every owned step kept) or all runs.")] = "",
    route: Annotated[str, typer.Option(help="With --workflow: by later runs, or by the steps' certificates.")] = "",
    json: Json = False,
) -> None:
    """Ask for a promise about a task's student, or a plain no with the labels that are missing. Exit code 3 for no.

    With --workflow, about whole runs: end to end, as its owned steps stand.

    Example: freehold certify sort_messages --alpha 0.05 --delta 0.05 --against teacher
    """
    from freehold.services import certifying, wording
    from freehold.services.home import Home
    from freehold.services.workflows import standing

    alpha = None if alpha is None else inside("--alpha", alpha)
    delta = None if delta is None else inside("--delta", delta)
    if bool(task) == bool(workflow):
        raise UsageError("name a task, or a workflow", hint="freehold certify TASK, or --workflow NAME")
    if workflow:
        certified_workflow(workflow, alpha, delta, against, of or "whole", route, json=json)
        return
    if of or route:
        raise UsageError("--of and --route are for workflows", hint="--workflow NAME")
    with Home.open() as home, working(f"certifying {task}"):
        certificate = certifying.certify(home, home.task(task), alpha=alpha, delta=delta, against=against)
        lapsed = standing.gone(home, certificate.task_id)
    if json:
        emit_struct("freehold.certificate/1", certificate)
    else:
        head = good("certified") if certificate.certified else warn("not certified")
        say(head, ": ", wording.certificate(certificate))
        lapsed_promises(lapsed)
        if certificate.certified:
            suggest(f"freehold promote {task} --stage shadow")
    if not certificate.certified:
        raise typer.Exit(3)


def promote(
    task: str,
    stage: Annotated[str, typer.Option(help="shadow, canary or full")],
    by: By = "",
    against: Annotated[str, typer.Option(help="Which promise to stand on: teacher or gold.")] = "",
) -> None:
    """Let a certified student answer.

    shadow computes and records without serving, canary serves a share, full serves what it is sure of.

    Example: freehold promote sort_messages --stage full
    """
    from freehold.services import promoting
    from freehold.services.home import Home
    from freehold.services.workflows import standing

    with Home.open() as home:
        found = home.task(task)
        for line in promoting.promote(home, found, stage, by=by, against=against):
            say(line)
        lapsed_promises(standing.gone(home, found.id))


def rollback(task: str, by: By = "") -> None:
    """Take a task's student off: everything is rented again.

    Example: freehold rollback sort_messages
    """
    from freehold.services import promoting
    from freehold.services.home import Home
    from freehold.services.workflows import standing

    with Home.open() as home:
        found = home.task(task)
        say(promoting.rollback(home, found, by=by))
        lapsed_promises(standing.gone(home, found.id))


def export(
    task: str,
    to: Annotated[Path, typer.Argument(metavar="TO", help="A new folder, or a new file that ends in .tar.gz.")],
) -> None:
    """Copy a task's newest student as a signed bundle that needs nothing else of ours to be understood.

    To a file that ends in .tar or .tar.gz goes the one that is in service, with what it takes to serve it elsewhere.

    Example: freehold export sort_messages ./sorter.tar.gz
    """
    from freehold.services import bundling, deploying
    from freehold.services.home import Home
    from freehold.students.bundle import is_archive

    with Home.open() as home:
        if is_archive(to):
            for line in deploying.pack(home, home.task(task), to).in_words():
                say(line)
        else:
            say(bundling.export(home, home.task(task), to))


def deploy(
    archive: Annotated[Path, typer.Argument(help="What freehold export TASK FILE.tar.gz wrote.")],
    trust: Annotated[str, typer.Option(metavar="SIGNER", help="The signer that you vouch for; export names it.")] = "",
    stage: Annotated[str, typer.Option(help="shadow, canary or full; otherwise as it was served.")] = "",
    by: By = "",
    json: Json = False,
) -> None:
    """Put an owned model into service in this home, as it was in another: verified, certified, with its task.

    Example: freehold deploy ./sorter.tar.gz
    """
    from freehold.services import deploying
    from freehold.services.home import Home

    with Home.open() as home, working("deploying"):
        deployed = deploying.deploy(home, archive, trust=trust, stage=stage, by=by)
    if json:
        emit_struct("freehold.deploy/1", deployed)
        return
    for line in deployed.in_words():
        say(line)
    suggest("freehold up")


def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder, or an archive with one.")], json: Json = False
) -> None:
    """Check that no byte of a bundle or of an archive has changed, and who signed it.

    Example: freehold verify ./sorter
    """
    from freehold.services import bundling

    verified = bundling.verify(bundle)
    if json:
        emit_struct("freehold.verify/1", verified)
    else:
        say(verified.in_words())


def rebuild(folder: Path, json: Json = False) -> None:
    """Train a bundle's student again from its own data and compare the weights, bit for bit.

    Example: freehold rebuild ./sorter
    """
    from freehold.services import bundling

    with working("training it again"):
        rebuilt = bundling.rebuild(folder)
    if json:
        emit_struct("freehold.rebuild/1", rebuilt)
    else:
        say(rebuilt.in_words())
    if not rebuilt.identical:
        raise typer.Exit(1)
