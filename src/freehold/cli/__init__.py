"""The command line: one thin module per command group, no logic.

stdout is data, stderr is talk. Exit codes: 0 done, 1 failed, 2 usage, 3 a gate said no, 4 something is missing,
130 interrupted.
"""

import sys

_INTERRUPTED = 130

__all__ = ["main"]


def main() -> None:
    """Run the command line; the process ends with the exit code of what happened."""
    try:
        # Here, not above: Ctrl-C may come while the commands are loaded.
        from ._up import up

        up(sys.argv[1:])
        from ._app import main as run

        run()
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            _interrupted()
        raise


def _interrupted() -> None:
    sys.stderr.write("freehold: interrupted; the same command can be given again\n")
    sys.exit(_INTERRUPTED)
