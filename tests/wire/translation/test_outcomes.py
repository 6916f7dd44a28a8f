"""Every documented field of a request is carried, reported or refused, and docs/translation.md says which."""

import re
from pathlib import Path

import pytest
from tests.wire.translation import outcomes
from tests.wire.translation.outcomes import CONTENT, FIELDS, UPSTREAMS

PAGE = (Path(__file__).parents[3] / "docs" / "translation.md").read_text(encoding="utf-8")
SECTIONS = {
    "openai.chat": "## Clients of chat completions",
    "anthropic.messages": "## Clients of Messages",
    "openai.responses": "## Clients of responses",
    "openai.completions": "## Clients of completions",
}
TABLES = {
    "openai.chat": "| of chat completions |",
    "anthropic.messages": "| of Messages |",
    "openai.responses content": "| of responses |",
    "openai.responses items": "| of responses |",
}
ELSE = "every other item"


def rows(start):
    """What a table of the page says: the outcomes by the names in the first cell."""
    found = {}
    lines = iter(PAGE[PAGE.index(start) :].splitlines())
    for line in lines:
        if line.startswith("|---"):
            break
    for line in lines:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for name in re.findall(r"`([a-z_]+)`", cells[0]) or [cells[0]]:
            assert name not in found, f"{name} stands twice"
            found[name] = cells[1:-1]
    return found


@pytest.mark.parametrize("client", FIELDS)
def test_every_field_of_the_sdks_type_has_an_example(client):
    kind, examples = FIELDS[client]
    assert outcomes.names(kind) - set(examples) == set()


@pytest.mark.parametrize("client", FIELDS)
def test_every_field_becomes_what_the_page_says(client):
    found = {
        name: [result for upstream in UPSTREAMS if (result := outcomes.of_field(client, name, upstream))]
        for name in FIELDS[client][1]
    }
    assert rows(SECTIONS[client]) == found


@pytest.mark.parametrize("kind_of", CONTENT)
def test_every_kind_of_content_becomes_what_the_page_says(kind_of):
    union, examples = CONTENT[kind_of]
    assert set(examples) <= outcomes.kinds(union)
    said = rows(TABLES[kind_of])
    for kind in outcomes.kinds(union):
        found = [result for upstream in UPSTREAMS if (result := outcomes.of_content(kind_of, kind, upstream))]
        assert (said.get(kind) or said.get(ELSE)) == found, kind
        assert kind in said or kind not in examples
