"""What is declared about a task, as it reaches the decision."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support import homes

from freehold.services import deciding, ingest
from freehold.settings import ProviderSettings, Settings, Strategy


@pytest.mark.parametrize(
    ("model", "places"), [("global.anthropic.claude-x", ()), ("eu.anthropic.claude-x", ("eu",)), ("mistral.x", ("eu",))]
)
def test_a_model_whose_name_says_that_it_is_processed_anywhere_is_in_no_region(
    tmp_path: Path, model: str, places: tuple[str, ...]
) -> None:
    """A cross-region profile leaves the provider's region."""
    rng = random.Random(1)
    lines = [homes.colour_line(n, rng) for n in range(60)]
    for one in lines:
        one["provider"] = "bedrock"
        one["request"]["model"] = one["response"]["model"] = model
    providers = {"bedrock": ProviderSettings(kind="bedrock", region="eu-central-1")}
    made = homes.home(tmp_path / "home", Settings(providers=providers, strategy=Strategy(residency=("eu",))))
    with made as home:
        ingest.import_log(home, homes.write_log(tmp_path / "calls.jsonl", lines))
        (question,) = deciding.questions(home, as_of=datetime(2026, 4, 1, tzinfo=UTC))
    assert question.workload.model == ("bedrock", model)
    assert question.constraints.places["bedrock"] == places
