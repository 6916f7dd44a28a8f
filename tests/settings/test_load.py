"""Settings: what is refused, where the message points, and that no value is ever quoted."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.errors import ConfigurationError
from freehold.settings import FILE_NAME, load

SECRET = "sk-proj-0123456789"


def loaded(home: Path, text: str = "", **environ: str):
    home.mkdir(exist_ok=True)
    (home / FILE_NAME).write_text(text, encoding="utf-8")
    return load({"FREEHOLD_HOME": str(home), **environ})


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ConfigurationError, match="no folder"):
        load({"FREEHOLD_HOME": str(tmp_path / "file")})
    assert load({"FREEHOLD_HOME": str(tmp_path / "not there yet")}).home == tmp_path / "not there yet"


@pytest.mark.parametrize(
    "text",
    [
        "[certificate]\nalpha = 7",
        "[certificate]\nalpha = 0",
        "[certificate]\ndelta = nan",
        "[certificate]\naudit_share = 1.1",
        "[certificate]\ncanary_share = -0.1",
        "[tasks.a]\nalpha = 1.0",
        "[tasks.a]\nmonthly_growth = inf",
        "[workload]\nsample_weight = 0",
        "[workload]\nsample_weight = inf",
        "[gateway]\nport = 70000",
        "[gateway]\nretries = -1",
        "[gateway]\nidle_timeout_s = 0",
        "[gateway]\nowned_timeout_s = -1",
        "[gateway]\nmax_body_bytes = 0",
        "[ledger]\nqueue_calls = 0",
        "[economics]\ngold_label_usd = -1",
        "[economics]\nprice_decline_per_year = 2",
        '[prices."a/b"]\ninput_usd_per_mtok = -1\noutput_usd_per_mtok = 1',
        '[prices."a/b"]\ninput_usd_per_mtok = "nan"\noutput_usd_per_mtok = 1',
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError):
        loaded(tmp_path, text)


def test_the_ends_of_the_ranges_are_settings(tmp_path: Path) -> None:
    text = "[gateway]\nport = 0\nretries = 0\ndrain_s = 0\n[certificate]\naudit_share = 0\ncanary_share = 1\n"
    settings = loaded(tmp_path, text).settings
    assert (settings.gateway.port, settings.gateway.drain_s, settings.certificate.canary_share) == (0, 0.0, 1.0)


@pytest.mark.fault("secrets", "key in the settings")
@pytest.mark.parametrize(
    "text",
    [
        f'[providers.a]\nkind = "openai"\napi_key_env = "{SECRET}"',
        f'[providers.a]\nkind = "{SECRET}"',
        f'[gateway]\nport = "{SECRET}"',
        f'[certificate]\nagainst = "{SECRET}"',
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, text)
    assert SECRET not in str(caught.value)


def test_a_key_in_place_of_its_name_is_called_that(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must name an environment variable"):
        loaded(tmp_path, f'[providers.a]\nkind = "openai"\napi_key_env = "{SECRET}"')


def test_an_error_names_the_variable_or_file_that_set_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"FREEHOLD_GATEWAY__PORT"):
        loaded(tmp_path, FREEHOLD_GATEWAY__PORT="99999")
    with pytest.raises(ConfigurationError, match=r"FREEHOLD_GATEWAY__PROT\b"):
        loaded(tmp_path, FREEHOLD_GATEWAY__PROT="1")
    with pytest.raises(ConfigurationError, match=rf"\(tasks\.a\.alpha in {tmp_path / FILE_NAME}\)"):
        loaded(tmp_path, "[tasks.a]\nalpha = 2")


def test_a_variable_that_names_no_section_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="FREEHOLD_KEY names no setting") as caught:
        loaded(tmp_path, FREEHOLD_KEY=SECRET)
    assert "FREEHOLD_SECTION__NAME" in caught.value.message
    assert SECRET not in str(caught.value)


def test_a_variable_overrides_the_file(tmp_path: Path) -> None:
    found = loaded(tmp_path, "[gateway]\nport = 1\n", FREEHOLD_GATEWAY__PORT="2")
    assert (found.settings.gateway.port, found.origin["gateway.port"]) == (2, "FREEHOLD_GATEWAY__PORT")


def test_a_wrong_choice_is_answered_with_the_choices_and_the_settings_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        loaded(tmp_path, '[providers.mine]\nkind = "opnai"\n')
    assert "it is one of anthropic, azure, bedrock, compatible, google, mistral, openai, recorded" in str(error.value)
    assert "providers.mine.kind in " in str(error.value)
    assert "opnai" not in str(error.value)
    with pytest.raises(ConfigurationError, match=r"models\.fast\.targets in "):
        loaded(tmp_path, '[models.fast]\ntargets = ["no-provider"]\n')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[models.fast]\ntargets = ["fast2"]', "such as openai/gpt-4.1-mini"),
        ('[ledger]\nsegments = "bucket"', "such as s3://bucket/prefix"),
        ("[gateway]\nprot = 1", "is port meant?"),
        ("[gatway]\nport = 1", "is gateway meant?"),
        ('[providers.a]\nkind = "openai"\napi_key = "x"', "is api_key_env meant?"),
        ('[models.fast]\ntarget = ["a/b"]', "is targets meant?"),
    ],
)
def test_an_error_says_what_may_have_been_meant(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        loaded(tmp_path, text)
    assert said in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "[models.fast]\ntargets = []",
        '[providers."a/b"]\nkind = "openai"',
        '[providers.""]\nkind = "openai"',
        '[tasks.t]\nmodel = "task:other"',
    ],
)
def test_names_that_nothing_could_mean_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError):
        loaded(tmp_path, text)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert loaded(tmp_path, "\ufeff[gateway]\nport = 5\n").settings.gateway.port == 5
