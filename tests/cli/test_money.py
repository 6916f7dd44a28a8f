"""`freehold reconcile` as a person meets it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support import homes
from tests.support.workloads import a_call
from typer.testing import CliRunner

from freehold.cli._app import app
from freehold.errors import BadInvoice
from freehold.vocabulary import Usage

INVOICE = "date,model,amount\n2026-11-02,gpt-4.1,3.00\n"


@pytest.fixture
def invoice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with homes.home(tmp_path / "home") as home:
        at = int(datetime(2026, 11, 2, 12, tzinfo=UTC).timestamp()) * 1_000_000
        home.ledger.append([a_call(at, Usage(1_000_000))])
        monkeypatch.setenv("FREEHOLD_HOME", str(home.path))
    path = tmp_path / "invoice.csv"
    path.write_text(INVOICE, "utf-8")
    return path


def test_the_difference_and_why_are_on_the_page(invoice: Path) -> None:
    done = CliRunner().invoke(app, ["reconcile", str(invoice)], catch_exceptions=False)
    assert done.exit_code == 0
    for said in ("plain table", "day from date", "$3.00", "$2.00", "$1.00", "calls missing in the ledger"):
        assert said in done.output


def test_json_has_everything_under_a_schema(invoice: Path) -> None:
    done = CliRunner().invoke(app, ["reconcile", str(invoice), "--json"], catch_exceptions=False)
    told = json.loads(done.stdout)
    assert told["schema"] == "freehold.reconcile/1"
    assert told["rows"][0]["model"] == "gpt-4.1"
    assert told["parts"] == {"calls missing in the ledger": told["difference_usd"]}


def test_a_file_that_is_no_invoice_is_an_error(invoice: Path) -> None:
    invoice.write_text("a,b\n1,2\n", "utf-8")
    done = CliRunner().invoke(app, ["reconcile", str(invoice)])
    assert isinstance(done.exception, BadInvoice)
