"""`freehold reconcile` and `freehold errors` as a person meets them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
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


def test_a_failure_that_a_log_tells_of_is_not_set_beside_requests_that_it_does_not_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = int(datetime(2026, 11, 2, 12, tzinfo=UTC).timestamp()) * 1_000_000
    with homes.home(tmp_path / "home") as home:
        good = a_call(at, Usage(1_000_000))
        failed = msgspec.structs.replace(
            good, id="failed", outcome="error", owner="none", error="upstream_failed", status=429, usage=None
        )
        home.ledger.append([good, failed])
        monkeypatch.setenv("FREEHOLD_HOME", str(home.path))
    said = " ".join(CliRunner().invoke(app, ["errors"], catch_exceptions=False).output.split())
    assert "1 of 2 calls failed" in said
    assert "logs that were imported name none" in said
