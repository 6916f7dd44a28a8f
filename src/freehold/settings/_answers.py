"""Answers that persons gave to `freehold ask`: a file of their own, so that nobody's settings file is written over.

`answers.toml` has the tables of `freehold.toml` and lies in the home. It holds below `freehold.toml` and the
environment: whoever writes a setting there has the last word. A person may edit it; `write` keeps every value in it,
and no comments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, cast

from freehold import files

FILE_NAME = "answers.toml"

_HEAD = "# Answers to `freehold ask`. Edit them as you like; freehold.toml and the environment say the last word.\n"


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two tables as one: where both say something, what is above holds."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        if isinstance(under, dict) and isinstance(value, dict):
            result[key] = merged(cast("dict[str, Any]", under), cast("dict[str, Any]", value))
        else:
            result[key] = value
    return result


def write(home: Path, table: Mapping[str, Any]) -> Path:
    """Put `table` in the place of the file, at once or not at all, and return its path.

    Raises:
        OSError: the home cannot be written.
    """
    home.mkdir(parents=True, exist_ok=True)
    path = home / FILE_NAME
    files.replace(path, (_HEAD + "".join(_lines(table, ""))).encode())
    return path


def _lines(table: Mapping[str, Any], at: str) -> list[str]:
    """A table as TOML: its own values, then the tables in it."""
    inner = {key: value for key, value in table.items() if isinstance(value, dict)}
    own = [f"{_key(key)} = {_value(value)}\n" for key, value in table.items() if key not in inner]
    lines = [f"\n[{at}]\n", *own] if at and own else own
    for key, value in inner.items():
        lines += _lines(cast("dict[str, Any]", value), f"{at}.{_key(key)}" if at else _key(key))
    return lines


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("-", "").replace("_", "").isalnum() else _text(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in cast('list[object]', value))}]"
    if isinstance(value, dict):
        pairs = (f"{_key(key)} = {_value(item)}" for key, item in cast("dict[str, object]", value).items())
        return f"{{ {', '.join(pairs)} }}"
    return repr(value)


def _text(text: str) -> str:
    """A TOML basic string: JSON's, but for the one control character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
