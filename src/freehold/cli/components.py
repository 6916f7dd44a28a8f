"""What this installation is made of, and what is known against it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from freehold.errors import UsageError

from ._arguments import Json
from ._output import Part, bad, dim, emit_struct, good, say, suggest, table, warn, working

if TYPE_CHECKING:
    from freehold.services.components import Components
    from freehold.supply.matching import Finding

_COLUMNS = "Component|Version|Known as|Severity|Mended in|What"
_BAD = ("CRITICAL", "HIGH")


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("components")(components)


def components(
    advisories: Annotated[
        str, typer.Option(metavar="PATH", help="Advisories in the OSV format: a file, a folder, or a zip of them.")
    ] = "",
    online: Annotated[
        bool, typer.Option("--online", help="Ask OSV's service instead: names and versions of packages leave.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare every installed file with what its distribution listed.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Look at all that is installed, not only at what Freehold needs.")
    ] = False,
    sbom: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a bill of materials in CycloneDX 1.6; - for stdout.")
    ] = None,
    json: Json = False,
) -> None:
    """What this installation and its owned models are made of, and what is known against it. Exit code 3 for something.

    Nothing is asked of anybody without --online. No advisories, or old ones, are no evidence that all is well.

    Example: freehold components --advisories all.zip --sbom freehold.cdx.json
    """
    from freehold.services import components as service
    from freehold.services.home import Home

    if json and sbom is not None and str(sbom) == "-":
        raise UsageError("--json and --sbom - would both be on stdout", hint="--sbom FILE")
    order = service.Order(advisories, online, everything, verify)
    with Home.open() as home, working("looking at components") as progress:
        seen = service.examine(home, order, progress=progress)
    if sbom is not None:
        _write(sbom, seen)
    if json:
        emit_struct("freehold.components/1", seen)
    elif sbom is None or str(sbom) != "-":
        _show(seen)
    if not seen.passes:
        raise typer.Exit(3)


def _write(file: Path, seen: Components) -> None:
    text = msgspec.json.format(msgspec.json.encode(seen.bill()), indent=2).decode() + "\n"
    if str(file) == "-":
        typer.echo(text, nl=False)
    else:
        file.write_text(text, "utf-8")


def _show(seen: Components) -> None:
    from freehold.services import components as service

    for line in service.in_words(seen):
        say(line)
    if seen.findings:
        table(_COLUMNS, [_row(one) for one in seen.findings], prose=True)
    elif seen.source is not None:
        say(good("Nothing that is installed is among them."))
    if seen.verification is not None:
        say(service.verified(seen.verification))
    for line in service.suspicious(seen):
        say(bad(line))
    for line in service.coming(seen):
        say(warn(line))
    if seen.source is None:
        suggest("freehold components --advisories all.zip (docs/components.md says where from), or --online")


def _row(one: Finding) -> list[Part]:
    inside = f"{one.part} in {', '.join(one.within)}" if one.within else one.part
    known = ", ".join(one.ids[:2])
    word = "MALICIOUS" if one.malicious else one.severity or "-"
    severity = bad(word) if one.malicious or one.severity in _BAD else word
    what = f"{one.summary} (set aside: {one.set_aside})" if one.set_aside else one.summary
    return [dim(inside) if one.set_aside else inside, one.version, known, severity, one.mended_in or "-", what]
