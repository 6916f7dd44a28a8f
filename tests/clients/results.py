"""What the last run of each client showed, kept in `results.json`, and the page that is made of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from tests.clients.catalogue import APIS, CLIENTS, FOLDER, ROOT, ROWS, Client

KEPT = FOLDER / "results.json"
PAGE = ROOT / "docs" / "compatibility.md"

INTRODUCTION = """# Compatibility

Clients that nobody has prepared for Freehold, each in an environment of its own, against a real gateway with virtual
keys and a promoted task; behind it a scripted provider answers as OpenAI and Anthropic do. The run makes this page:

    make clients                                    # every client; needs the package registries, and Node
    python -m tests.clients NAME...                 # some of them

✓ shown by the run · ✗ not so, with the reason below · - not offered by the client, or not tried

The only change to each client is its base URL and its key: `http://HOST:8080/v1` for OpenAI's, `http://HOST:8080` for
Anthropic's.
"""


@dataclass
class Result:
    """What one client showed: versions, and per check None where it holds, else why not.

    `fault` says why there is no more: it could not be installed, or its program ended early.
    """

    versions: dict[str, str] = field(default_factory=dict)
    runtime: str = ""
    checks: dict[str, str | None] = field(default_factory=dict)
    fault: str = ""

    def holds(self, client: Client) -> bool:
        """Whether everything did that does not fall short by the client's own doing."""
        failed = {name for name, why in self.checks.items() if why is not None}
        return not self.fault and failed <= set(client.shortcomings)


def read(client: Client, told: str, fault: str = "") -> Result:
    """What a program said, one JSON object a line; a check that it declares and did not report has failed."""
    result = Result(fault=fault)
    for line in told.splitlines():
        said = json.loads(line)
        if "versions" in said:
            result.versions, result.runtime = said["versions"], said.get("runtime", "")
        else:
            result.checks[said["check"]] = None if said["ok"] else said["why"]
    for name in client.declared():
        if result.versions:
            result.checks.setdefault(name, "the program ended before it")
    return result


def load() -> dict[str, Result]:
    """The last result of each client."""
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.is_file() else {}
    return {name: Result(**one) for name, one in kept.items() if name in CLIENTS}


def save(results: dict[str, Result]) -> None:
    """Keep results, and write the page."""
    ordered = {name: asdict(results[name]) for name in CLIENTS if name in results}
    KEPT.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", "utf-8")
    PAGE.write_text(page(results), "utf-8")


def page(results: dict[str, Result]) -> str:
    """The page."""
    lines = [INTRODUCTION, "| client | version | ran in | program |", "|---|---|---|---|"]
    for client in CLIENTS.values():
        result = results.get(client.name, Result())
        versions = ", ".join(
            version if len(result.versions) == 1 else f"{name} {version}" for name, version in result.versions.items()
        )
        version = versions or f"**not installed**: {result.fault}"
        where = f"`tests/clients/programs/{client.program}`"
        lines.append(f"| {client.title} (`{client.name}`) | {version} | {result.runtime} | {where} |")
    reasons: list[str] = []
    for api, title in APIS.items():
        lines += ["", f"## {title}", "", *_table(api, results, reasons)]
    if reasons:
        lines += ["", "## What does not hold", "", *(f"{n}. {one}" for n, one in enumerate(reasons, 1))]
    return "\n".join(lines) + "\n"


def _table(api: str, results: dict[str, Result], reasons: list[str]) -> list[str]:
    rows = [name for name in ROWS if name.startswith(f"{api}.")]
    clients = [one for one in CLIENTS.values() if any(name in rows for name in one.declared())]
    lines = ["| | " + " | ".join(f"`{one.name}`" for one in clients) + " |", "|---" * (len(clients) + 1) + "|"]
    for row in rows:
        cells = [_cell(one, row, results.get(one.name, Result()), reasons) for one in clients]
        lines.append(f"| {ROWS[row]} | {' | '.join(cells)} |")
    return lines


def _cell(client: Client, row: str, result: Result, reasons: list[str]) -> str:
    if row not in client.declared():
        return "-"
    if row in result.checks and result.checks[row] is None:
        return "✓"
    why = client.shortcomings.get(row) or result.checks.get(row) or result.fault or "not run yet"
    reasons.append(f"`{client.name}`, {APIS[row.partition('.')[0]]}, {ROWS[row]}: {why.replace('|', chr(92) + '|')}")
    return f"✗ {len(reasons)}"
