"""Reading settings.

The defaults, then `answers.toml` in the home, then `freehold.toml` in the home or the working folder, then
`FREEHOLD_*` from the environment.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import msgspec

from freehold.errors import ConfigurationError, UsageError

from . import _answers
from ._model import PriceSettings, Settings

FILE_NAME = "freehold.toml"
HOME_VARIABLE = "FREEHOLD_HOME"
_PREFIX = "FREEHOLD_"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PRICES = tuple(name for name in PriceSettings.__struct_fields__ if "_usd" in name)


class Loaded(NamedTuple):
    """Settings with where they came from.

    `origin` maps dotted names to a file or an environment variable; the rest are defaults.
    """

    settings: Settings
    home: Path
    origin: dict[str, str]


def config_paths(home: Path) -> tuple[Path, ...]:
    """Every place a settings file is looked for, the first found wins."""
    return (home / FILE_NAME, Path(FILE_NAME))


def load(environ: Mapping[str, str] | None = None) -> Loaded:
    """Read the settings of the home that `FREEHOLD_HOME` names (default `.freehold`).

    An environment variable `FREEHOLD_GATEWAY__PORT=8081` overrides `gateway.port`; its value is read as TOML, else as
    text.

    Raises:
        ConfigurationError: the home is a file, the settings are no TOML, or one is unknown, of the wrong type or out of
        its range; the message names the place and never the value.
    """
    environ = os.environ if environ is None else environ
    home = Path(environ.get(HOME_VARIABLE) or ".freehold")
    if home.is_file():
        raise ConfigurationError(
            f"{HOME_VARIABLE} is {home}, which is no folder", hint="name a folder; it need not exist"
        )
    table: dict[str, Any] = {}
    origin: dict[str, str] = {}
    path = next((p for p in config_paths(home) if p.is_file()), None)
    for file in (home / _answers.FILE_NAME, path):
        if file is not None and file.is_file():
            said = _read_file(file)
            table = _answers.merged(table, said)
            origin.update(dict.fromkeys(_dotted(said), str(file)))
    for variable, value in sorted(environ.items()):
        if variable.startswith(_PREFIX) and variable != HOME_VARIABLE:
            dotted = _names(variable)
            _put(table, dotted, _value(value), variable)
            origin[".".join(dotted)] = variable
    try:
        settings = msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        places = ", ".join(str(p) for p in (*config_paths(home), home / _answers.FILE_NAME))
        raise ConfigurationError(
            f"settings: {_reason(error, origin)}; looked at {places} and at {_PREFIX}* variables",
            hint="see docs/settings.md",
        ) from None
    _check_names(settings)
    _check_names_of_keys(settings)
    _check_prices(settings)
    _check_telemetry(settings)
    return Loaded(settings, home, origin)


def answer(home: Path, task: str, said: Mapping[str, object]) -> Path:
    """Keep what somebody said about `[tasks.TASK]` in the home's `answers.toml`; None takes an answer back.

    Nothing else in that file changes but its comments, and no other file does.

    Raises:
        ConfigurationError: the file is no TOML.
        UsageError: a value is not one that the setting may have; nothing was written.
        OSError: the home cannot be written.
    """
    path = home / _answers.FILE_NAME
    table = _read_file(path) if path.is_file() else {}
    before = table.get("tasks", {}).get(task, {})
    own = {name: value for name, value in {**before, **said}.items() if value is not None}
    table = _answers.merged(table, {"tasks": {task: {}}})
    table["tasks"][task] = own
    try:
        msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        raise UsageError(f"no such answer: {_reason(error, {})}", hint="see docs/settings.md") from None
    return _answers.write(home, table)


def _names(variable: str) -> list[str]:
    """The parts of the setting that a variable names."""
    dotted = variable.removeprefix(_PREFIX).lower().split("__")
    if dotted[0] not in Settings.__struct_fields__:
        raise ConfigurationError(
            f"the environment variable {variable} names no setting: such names follow {_PREFIX}SECTION__NAME, as "
            f"{_PREFIX}GATEWAY__PORT does",
            hint=f"unset {variable}, or give it a name that does not begin with {_PREFIX}",
        )
    return dotted


def _reason(error: msgspec.ValidationError, origin: Mapping[str, str]) -> str:
    """What is wrong, with which setting, set where. A value may be a secret in the wrong place: none is quoted."""
    text = re.sub(r"'[^']*'", "...", str(error))
    at = re.search(r"`\$\.(.+)`$", text)
    field = re.search(r"unknown field `([^`]+)`", text)
    parts = [*(at.group(1).replace("[...]", ".*").split(".") if at else []), *([field.group(1)] if field else [])]
    pattern = re.sub(r"\[\d+\]", "", ".".join(parts))
    places = sorted(f"{name} in {place}" for name, place in origin.items() if pattern and fnmatchcase(name, pattern))
    text += _meant(text, pattern.split("."))
    return f"{text} ({', '.join(places)})" if places else text


def _meant(text: str, parts: list[str]) -> str:
    """What may have been meant: the words that a setting may be, how it looks, or the name that is most like it."""
    parent, kind = _kinds(parts)
    if "unknown field" in text:
        names = [field.encode_name for field in getattr(parent, "fields", ())]
        near = difflib.get_close_matches(parts[-1], names, 1)
        return f"; is {near[0]} meant?" if near else ""
    examples = kind.extra_json_schema or {} if isinstance(kind, msgspec.inspect.Metadata) else {}
    if "matching regex" in text and "examples" in examples:
        return f"; such as {', '.join(examples['examples'])}"
    if "enum" in text and isinstance(kind, msgspec.inspect.LiteralType):
        return f"; it is one of {', '.join(map(str, kind.values))}"
    return ""


def _kinds(parts: list[str]) -> tuple[Any, Any]:
    """The types of the table that a setting is in and of the setting itself, None where there is none."""
    parent: Any = None
    kind: Any = msgspec.inspect.type_info(Settings)
    for part in parts:
        parent = kind
        if isinstance(kind, msgspec.inspect.StructType):
            kind = next((field.type for field in kind.fields if field.encode_name == part), None)
        else:
            kind = getattr(kind, "value_type", None)
    return parent, getattr(kind, "item_type", kind)


def _check_names(settings: Settings) -> None:
    """Refuse names that no request could ever mean."""
    for name in settings.providers:
        if not name or "/" in name:
            raise ConfigurationError(
                f"{name!r} names no provider: the name is what stands before the / of PROVIDER/MODEL",
                hint="choose a name of one or more characters without /",
            )
    for name, task in settings.tasks.items():
        if task.model.startswith("task:"):
            raise ConfigurationError(
                f"tasks.{name}.model names a task, which is no model",
                hint='name a model of [models] or "PROVIDER/MODEL"',
            )


def _check_names_of_keys(settings: Settings) -> None:
    named = {
        f"providers.{name}.api_key_env": (one.api_key_env, f"{name.upper()}_API_KEY")
        for name, one in settings.providers.items()
    }
    others = {
        "telemetry.otlp_headers_env": (settings.telemetry.otlp_headers_env, "OTLP_HEADERS"),
        "ledger.encryption_key_env": (settings.ledger.encryption_key_env, "LEDGER_KEY"),
        "ledger.encryption_previous_key_env": (settings.ledger.encryption_previous_key_env, "LEDGER_KEY_BEFORE"),
    }
    for setting, (value, variable) in {**named, **others}.items():
        if value and not _VARIABLE.fullmatch(value):
            raise ConfigurationError(
                f"{setting} must name an environment variable; what it holds is no such name and is "
                "not shown here, since it may be the key itself",
                hint=f"export the key as {variable}, say, and write that name into {setting.rpartition('.')[2]}",
            )


def _check_telemetry(settings: Settings) -> None:
    endpoint = settings.telemetry.otlp_endpoint
    parts = urlsplit(endpoint)
    if endpoint and (parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc):
        raise ConfigurationError(
            "telemetry.otlp_endpoint is no http(s) address, or holds a name and a password",
            hint="as in http://127.0.0.1:4318; a key goes into the variable that otlp_headers_env names",
        )


def _check_prices(settings: Settings) -> None:
    for name, price in settings.prices.items():
        if wrong := _wrong_with(price):
            raise ConfigurationError(f'prices."{name}".{wrong}', hint="see docs/settings.md")


def _wrong_with(price: PriceSettings) -> str:
    """What cannot be meant by a contract's price, "" where nothing is wrong."""
    amounts = {field: getattr(price, field) for field in _PRICES}
    stated = any(usd is not None for usd in amounts.values())
    one_of_two = (price.input_usd_per_mtok is None) != (price.output_usd_per_mtok is None)
    backwards = price.since is not None and price.until is not None and price.until <= price.since
    faults = [f"{field} is no price" for field, usd in amounts.items() if usd is not None and not _is_amount(usd)]
    faults += [f"tier_factors.{tier} is no factor" for tier, by in price.tier_factors.items() if not _is_amount(by)]
    checks = {
        "discount is no share between 0 and 1": not _is_amount(price.discount) or price.discount > 1,
        "until is not after since": backwards,
        "input_usd_per_mtok and output_usd_per_mtok belong together: one of them is missing": one_of_two,
        "discount is off the list price, which prices replace: give the one or the others": stated
        and (price.input_usd_per_mtok is None or price.discount != 0),
        "input_usd_per_mtok is missing: give prices, a discount or tier_factors": not stated
        and not price.discount
        and not price.tier_factors,
    }
    return next(iter(faults + [fault for fault, found in checks.items() if found]), "")


def _is_amount(value: Decimal) -> bool:
    return value.is_finite() and value >= 0


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}", hint=f"mend {path}") from None


def _dotted(table: Mapping[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            names += _dotted(cast("dict[str, Any]", value), f"{name}.")
        else:
            names.append(name)
    return names


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _put(table: dict[str, Any], dotted: list[str], value: object, variable: str) -> None:
    for part in dotted[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigurationError(f"{variable} names a table where {part} is a value", hint="see docs/settings.md")
        table = cast("dict[str, Any]", inner)
    table[dotted[-1]] = value
