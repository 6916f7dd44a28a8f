"""Documentation is part of the work: what a user can set, type, meet or measure must be on a page."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import typer.main

from freehold import errors
from freehold.cli._app import app
from freehold.settings import ProviderSettings, Settings, TaskSettings
from freehold.settings._model import PriceSettings

ROOT = Path(__file__).resolve().parents[1]
DOCS = {path.name: path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md")}
SOURCES = [path.read_text("utf-8") for path in sorted((ROOT / "src").rglob("*.py"))]


def _settings() -> list[str]:
    names = [*ProviderSettings.__struct_fields__, *TaskSettings.__struct_fields__, *PriceSettings.__struct_fields__]
    defaults = Settings()
    for field in Settings.__struct_fields__:
        names.append(field)
        value = getattr(defaults, field)
        if isinstance(value, msgspec.Struct):
            names += value.__struct_fields__
    return sorted(set(names))


@pytest.mark.parametrize("name", _settings())
def test_every_setting_is_documented(name: str) -> None:
    assert re.search(rf"[`\[]{name}\b", DOCS["settings.md"]), f"{name} is not in docs/settings.md"


def _commands() -> list[str]:
    found: list[str] = []
    root = typer.main.get_command(app)
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found += [f"{name} {sub}" for sub in inner] if inner else [name]
    return sorted(found)


@pytest.mark.parametrize("command", _commands())
def test_every_command_is_documented(command: str) -> None:
    first, _, second = command.partition(" ")
    page = DOCS["commands.md"]
    assert f"freehold {first}" in page
    assert not second or re.search(rf"`(freehold {first} )?{second}", page), f"{command} is not in docs/commands.md"


def _codes() -> list[str]:
    codes: set[str] = set()
    todo = [errors.FreeholdError]
    while todo:
        kind = todo.pop()
        codes.add(kind.code)
        todo += kind.__subclasses__()
    for source in SOURCES:
        codes |= set(re.findall(r'\bcode="([a-z_]+)"', source))
        codes |= set(re.findall(r'^    code = "([a-z_]+)"', source, re.MULTILINE))
    return sorted(codes)


@pytest.mark.parametrize("code", _codes())
def test_every_error_code_is_documented(code: str) -> None:
    assert f"`{code}`" in DOCS["errors.md"], f"{code} is not in docs/errors.md"


def _metrics() -> list[str]:
    from freehold.gateway.metrics import HELP

    return sorted(HELP)


@pytest.mark.parametrize("metric", _metrics())
def test_every_metric_is_documented(metric: str) -> None:
    assert f"`{metric}`" in DOCS["operations.md"], f"{metric} is not in docs/operations.md"


def _schemas() -> list[str]:
    return sorted(
        {name for source in SOURCES for name in re.findall(r'emit(?:_struct)?\("(freehold\.[a-z]+/\d)"', source)}
    )


@pytest.mark.parametrize("schema", _schemas())
def test_every_json_schema_is_documented(schema: str) -> None:
    assert f"`{schema}`" in DOCS["commands.md"]


@pytest.mark.parametrize("page", sorted(DOCS))
def test_links_between_pages_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([a-z_./]+\.md)", DOCS[page]):
        assert (ROOT / "docs" / target).is_file(), f"{page} links to {target}"


def test_the_readme_shows_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "make demo" in readme
    assert "make test" in readme
    for image in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme):
        assert (ROOT / image).is_file(), f"README shows {image}"


def test_the_readme_speaks_of_every_row() -> None:
    """Each capability of the product is listed as works, partly or not yet."""
    readme = (ROOT / "README.md").read_text("utf-8")
    lasts = {"O": 7, "U": 3, "D": 9, "W": 9, "P": 8, "R": 8, "S": 3}
    rows = [f"{letter}{n}" for letter, last in lasts.items() for n in range(1, last + 1)]
    missing = [row for row in rows if not re.search(rf"^\| {row} \|", readme, re.MULTILINE)]
    assert not missing
