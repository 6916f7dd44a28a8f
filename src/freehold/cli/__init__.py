"""The command line: one thin module per command group, no logic.

stdout is data, stderr is talk. Exit codes: 0 done, 1 failed, 2 usage, 3 a gate said no, 4 something is missing.
"""

from ._app import main

__all__ = ["main"]
