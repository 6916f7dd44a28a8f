"""Pin what clients need anew, at the newest versions that there are: `python -m tests.clients.lock [NAME...]`."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.clients.catalogue import CLIENTS, Client

_UV = (sys.executable, "-m", "uv", "pip", "compile", "-q", "--universal", "--python-version", "3.11", "--upgrade")
_PLAIN = ("--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate")


def lock(client: Client) -> None:
    """Rewrite the file that pins a client's environment; no file says where the packages came from."""
    needs = client.needs or client.packages
    if not client.is_node:
        command = [*_UV, *_PLAIN, "-", "-o", str(client.requirements)]
        subprocess.run(command, input="\n".join(needs), text=True, check=True)
        return
    folder = client.requirements.parent
    folder.mkdir(exist_ok=True)
    client.requirements.unlink(missing_ok=True)
    described = {"name": f"freehold-clients-{client.name}", "private": True, "type": "module"}
    (folder / "package.json").write_text(json.dumps(described, indent=2) + "\n", "utf-8")
    options = ["--package-lock-only", "--save-exact", "--omit-lockfile-registry-resolved", "--no-audit", "--no-fund"]
    subprocess.run(["npm", "install", *options, *needs], cwd=folder, check=True)


if __name__ == "__main__":
    for name in sys.argv[1:] or CLIENTS:
        lock(CLIENTS[name])
