"""Run clients through the gateway: `python -m tests.clients [NAME...]`, all of them where none is named.

Makes their environments where they are missing, prints what each showed, rewrites `docs/compatibility.md`, and ends
with 1 where a check failed or a client could not be installed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.clients import results
from tests.clients.catalogue import CLIENTS, ROWS, Client
from tests.clients.environments import NotInstalled, prepared, run
from tests.clients.stand import stand


def shown(client: Client) -> results.Result:
    """Run one client."""
    try:
        command = prepared(client)
    except (NotInstalled, subprocess.TimeoutExpired) as fault:
        return results.Result(fault=str(fault))
    with tempfile.TemporaryDirectory() as folder, stand(Path(folder) / "home") as environment:
        try:
            done = run(client, command, environment)
        except subprocess.TimeoutExpired as fault:
            return results.read(client, (fault.stdout or b"").decode(), "its program did not end")
    result = results.read(client, done.stdout, "" if done.returncode == 0 else "its program failed")
    if not result.holds(client):
        print(done.stderr, file=sys.stderr)
    return result


def main(names: list[str]) -> int:
    """Run these clients, or all."""
    unknown = [name for name in names if name not in CLIENTS]
    if unknown:
        print(f"no such client: {', '.join(unknown)}; there are {', '.join(CLIENTS)}", file=sys.stderr)
        return 2
    known = results.load()
    chosen = names or list(CLIENTS)
    for name in chosen:
        result = known[name] = shown(CLIENTS[name])
        results.save(known)
        told = ", ".join(f"{package} {version}" for package, version in result.versions.items())
        held = sum(why is None for why in result.checks.values())
        print(f"{name:<18} {told or 'not installed'}: {held} of {len(result.checks)} hold {result.fault}".rstrip())
        for check, why in result.checks.items():
            if why is not None:
                print(f"  {check} ({ROWS[check]}): {why}")
    return 0 if all(known[name].holds(CLIENTS[name]) for name in chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
