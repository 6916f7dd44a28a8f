"""How `freehold up` gives way to the gateway. Light: whoever starts a gateway waits for what this loads."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from . import _interrupts
from ._frugal import ENVIRONMENT


def become(
    *, host: str | None = None, port: int | None = None, workers: int | None = None, debug: bool = False
) -> NoReturn:
    """Give this process over to the gateway, with these settings instead of those of the file. Does not return.

    Raises:
        OSError: Python cannot be started anew.
    """
    given = {"HOST": None if host is None else _quoted(host), "PORT": port, "WORKERS": workers}
    values = {f"FREEHOLD_GATEWAY__{name}": str(value) for name, value in given.items() if value is not None}
    command = [sys.executable, "-P", "-m", "freehold.services.running", *(["--debug"] if debug else [])]
    with _interrupts.held_back():
        os.execve(sys.executable, command, {**ENVIRONMENT, **os.environ, **values})  # noqa: S606 - ourselves, without a shell


def _quoted(text: str) -> str:
    """As TOML has it, so that an address of digits alone stays text."""
    import json

    return json.dumps(text, ensure_ascii=False)
