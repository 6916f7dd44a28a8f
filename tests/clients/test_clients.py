"""The page of clients is in step with their programs, and the official clients of the development environment pass."""

import re
import sys

import pytest
from tests.clients import results
from tests.clients.catalogue import APIS, CLIENTS, PROGRAMS, ROWS
from tests.clients.environments import run
from tests.clients.stand import stand

BY_NAME = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)


@pytest.mark.parametrize("name", ["openai-python-3", "anthropic-python"])
def test_the_official_clients_of_this_environment(name, tmp_path):
    client = CLIENTS[name]
    command = [sys.executable, "-P", "-W", "error", str(PROGRAMS / client.program)]
    with stand(tmp_path / "home") as environment:
        done = run(client, command, environment)
    result = results.read(client, done.stdout)
    assert result.versions, done.stderr
    assert {check: why for check, why in result.checks.items() if why is not None} == {}, done.stderr
    assert done.returncode == 0


def test_every_program_is_somebodys():
    programs = {path.name for path in PROGRAMS.iterdir() if path.suffix in {".py", ".mjs"} and path.name[0] != "_"}
    assert programs == {client.program for client in CLIENTS.values()}


@BY_NAME
def test_every_declared_check_has_its_row(client):
    declared = client.declared()
    assert declared
    assert len(declared) == len(set(declared))
    assert set(declared) <= set(ROWS)


def test_every_row_is_shown_by_a_client():
    assert {check for client in CLIENTS.values() for check in client.declared()} == set(ROWS)
    assert {row.partition(".")[0] for row in ROWS} == set(APIS)


@BY_NAME
def test_the_last_run_was_of_these_programs_and_versions(client):
    result = results.load()[client.name]
    assert set(result.checks) == set(client.declared())
    pinned = client.requirements.read_text("utf-8")
    for package, version in result.versions.items():
        pattern = rf'node_modules/{package}": {{\s+"version": "([^"]+)"' if client.is_node else rf"^{package}==(\S+)"
        found = re.search(pattern, pinned, re.MULTILINE)
        assert found is not None, package
        assert found[1] == version, f"run it again: python -m tests.clients {client.name}"
    assert set(result.versions) == set(client.packages)


@BY_NAME
def test_an_environment_is_pinned_and_names_no_registry(client):
    pinned = client.requirements.read_text("utf-8")
    assert "http" not in re.sub(r"^(httpx|httpcore|httptools|aiohttp)\S*", "", pinned, flags=re.MULTILINE)
    assert ("sha512-" if client.is_node else "--hash=sha256:") in pinned


def test_the_page_is_in_step():
    assert results.PAGE.read_text("utf-8") == results.page(results.load()), "run: python -m tests.clients"


def test_what_does_not_hold_is_shown_with_its_reason():
    client = CLIENTS["openai-js-7"]
    told = (
        '{"versions":{"openai":"9"}}',
        '{"check":"openai.chat","ok":true}',
        '{"check":"openai.chat_stream","ok":false,"why":"cut"}',
    )
    result = results.read(client, "\n".join(told), "its program failed")
    assert not result.holds(client)
    assert (result.checks["openai.chat"], result.checks["openai.chat_stream"]) == (None, "cut")
    assert result.checks["openai.models"] == "the program ended before it"
    page = results.page({client.name: result})
    assert re.search(r"^\d+\. `openai-js-7`, OpenAI's API, chat completions, streamed.*: cut$", page, re.MULTILINE)


def test_a_clients_own_shortcoming_is_shown_and_fails_nothing():
    client = CLIENTS["llamaindex"]
    (check, why), *_ = client.shortcomings.items()
    result = results.Result({"a": "1"}, "", dict.fromkeys(client.declared()) | {check: "took 3 s"})
    assert result.holds(client)
    assert f"{ROWS[check]}: {why}" in results.page({client.name: result})
    result.checks["openai.chat"] = "wrong"
    assert not result.holds(client)
    for one in CLIENTS.values():
        assert set(one.shortcomings) <= set(one.declared())


def test_a_client_that_could_not_be_installed_is_shown_as_that():
    page = results.page({"openai-js-7": results.Result(fault="npm is not here")})
    assert "| **not installed**: npm is not here | " in page
    assert "✓" not in page.partition("## OpenAI")[2]
