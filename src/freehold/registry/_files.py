"""Names of the registry's files."""

from typing import Final

CONTROL: Final = "control.db"
