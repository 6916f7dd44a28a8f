"""Reading settings.

The defaults, then `freehold.toml` in the home or the working folder, then `FREEHOLD_*` from the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from freehold.errors import ConfigurationError

from ._model import Settings

FILE_NAME = "freehold.toml"
HOME_VARIABLE = "FREEHOLD_HOME"
_PREFIX = "FREEHOLD_"


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
        ConfigurationError: the file is no TOML, or a setting is unknown or of the wrong type; the message names the
        place.
    """
    environ = os.environ if environ is None else environ
    home = Path(environ.get(HOME_VARIABLE) or ".freehold")
    table: dict[str, Any] = {}
    origin: dict[str, str] = {}
    path = next((p for p in config_paths(home) if p.is_file()), None)
    if path is not None:
        table = _read_file(path)
        origin.update(dict.fromkeys(_dotted(table), str(path)))
    for variable, value in sorted(environ.items()):
        if variable.startswith(_PREFIX) and variable != HOME_VARIABLE:
            dotted = variable.removeprefix(_PREFIX).lower().split("__")
            _put(table, dotted, _value(value), variable)
            origin[".".join(dotted)] = variable
    try:
        settings = msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        places = ", ".join(str(p) for p in config_paths(home))
        raise ConfigurationError(
            f"settings: {error}; looked at {places} and at {_PREFIX}* variables", hint="see docs/settings.md"
        ) from None
    return Loaded(settings, home, origin)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
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
