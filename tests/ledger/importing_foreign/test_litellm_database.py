"""LiteLLM's tables in a real Postgres."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from tests.ledger.importing_foreign.test_litellm import row
from tests.support import homes, postgres

from freehold.errors import MissingPrerequisite, NotFound
from freehold.ledger.importing.foreign import litellm, litellm_database
from freehold.services import ingest

BIN = postgres.programs()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BIN is None, reason="no Postgres server is installed on this machine"),
]

SPEND = """
CREATE TABLE "LiteLLM_SpendLogs" (
    request_id text PRIMARY KEY, call_type text NOT NULL, api_key text NOT NULL DEFAULT '',
    spend double precision NOT NULL,
    total_tokens integer NOT NULL, prompt_tokens integer NOT NULL, completion_tokens integer NOT NULL,
    "startTime" timestamp(3) NOT NULL, "endTime" timestamp(3) NOT NULL, "completionStartTime" timestamp(3),
    model text NOT NULL, model_group text, custom_llm_provider text, "user" text, metadata jsonb DEFAULT '{}',
    cache_hit text, request_tags jsonb DEFAULT '[]', team_id text, end_user text, session_id text, status text,
    messages jsonb DEFAULT '{}', response jsonb DEFAULT '{}', proxy_server_request jsonb DEFAULT '{}'
)
"""
ERRORS = """
CREATE TABLE "LiteLLM_ErrorLogs" (
    request_id text PRIMARY KEY, "startTime" timestamp(3), "endTime" timestamp(3), api_base text, model_group text,
    litellm_model_name text, model_id text, request_kwargs jsonb, exception_type text, exception_string text,
    status_code text
)
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    assert BIN is not None
    with postgres.server(BIN) as found:
        yield found


@pytest.fixture
def database(address: str) -> Iterator[str]:
    """The same database, with nothing in it but an empty schema of LiteLLM's."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA litellm")
        yield f"{address}&schema=litellm&connection_limit=5"
        connection.execute("DROP SCHEMA litellm CASCADE")


def fill(database: str, count: int) -> None:
    records = [row(request_id=f"r-{n}") for n in range(count)]
    columns = ", ".join(f'"{name}"' for name in records[0])
    marks = ", ".join(["%s"] * len(records[0]))
    with psycopg.connect(database.partition("&schema")[0]) as connection:
        connection.execute("SET search_path = litellm")
        connection.execute(SPEND)
        connection.execute(ERRORS)
        connection.cursor().executemany(
            f'INSERT INTO "LiteLLM_SpendLogs" ({columns}) VALUES ({marks})',  # type: ignore[arg-type]
            [[_stored(value) for value in record.values()] for record in records],
        )
        connection.execute(
            'INSERT INTO "LiteLLM_ErrorLogs" VALUES '
            "('e-1', '2025-01-01', '2025-01-01 00:00:01', '', 'small', 'm', '1', '{}', 'Timeout', 'secret', '408')"
        )


def _stored(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, (dict, list)) else value


def test_the_rows_are_those_of_an_export(database: str) -> None:
    fill(database, 2500)
    calls = [litellm.read(record) for record in litellm_database.rows(database)]
    assert len(calls) == 2501
    by_id = {call.id: call for call in calls}
    one, expected = by_id["r-7"], litellm.read(row(request_id="r-7"))
    assert json.loads(one.request) == json.loads(expected.request)  # a database keeps an object's fields in its order
    assert json.loads(one.response) == json.loads(expected.response)
    one.request, one.response = expected.request, expected.response
    assert one == expected
    assert (by_id["e-1"].outcome, by_id["e-1"].status) == ("error", 408)


def test_an_import_by_address_adds_every_row_once(database: str, tmp_path: Path) -> None:
    fill(database, 50)
    with homes.home(tmp_path) as home:
        planned = ingest.import_logs(home, [database], dry_run=True)
        done = ingest.import_logs(home, [database])
        again = ingest.import_logs(home, [database])
        failed = home.ledger.get("e-1")
    assert (planned.added, done.added, again.added, again.duplicates) == (51, 51, 0, 51)
    assert (done.logs[0].format, done.logs[0].reason) == ("litellm", "it is a database")
    assert failed.outcome == "error"


def test_nothing_is_written(database: str) -> None:
    fill(database, 1)
    rows = litellm_database.rows(database)
    assert next(rows)["request_id"] == "r-0"
    with psycopg.connect(database.partition("&schema")[0]) as connection:
        answer = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
        ).fetchone()
    assert answer == (0,)
    rows.close()


def test_a_database_without_the_tables(database: str) -> None:
    with pytest.raises(NotFound, match="LiteLLM_SpendLogs"):
        next(litellm_database.rows(database))


def test_a_server_that_is_not_there_is_said_to_be_unreachable_without_the_password() -> None:
    with pytest.raises(MissingPrerequisite) as caught:
        next(litellm_database.rows("postgresql://me:hunter2@/x?host=/nowhere"))
    assert "hunter2" not in str(caught.value)


def test_what_is_an_address() -> None:
    assert litellm_database.is_address("postgresql://u@h/d")
    assert litellm_database.is_address("postgres://u@h/d")
    assert not litellm_database.is_address("postgres.csv")
