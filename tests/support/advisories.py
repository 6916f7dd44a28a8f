"""Advisories in the OSV format, and distributions as an installer leaves them."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def ranged(*events: Json, kind: str = "ECOSYSTEM", **more: Any) -> Json:
    """A range of versions."""
    return {"type": kind, "events": list(events), **more}


def advisory(
    ident: str,
    name: str = "",
    *ranges: Json,
    versions: tuple[str, ...] = (),
    ecosystem: str = "PyPI",
    **more: Any,
) -> Json:
    """An advisory about one package; without a name, about sources alone."""
    affected: Json = {"ranges": list(ranges)} | ({"versions": list(versions)} if versions else {})
    if name:
        affected["package"] = {"ecosystem": ecosystem, "name": name}
    made = {"id": ident, "modified": "2026-10-30T08:00:00Z", "schema_version": "1.7.0", "affected": [affected]}
    return made | more


def write(folder: Path, *advisories: Json) -> Path:
    """A folder of advisories, a file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in advisories:
        (folder / f"{one['id']}.json").write_text(json.dumps(one))
    return folder


def distribution(
    place: Path,
    name: str,
    version: str,
    files: dict[str, bytes] | None = None,
    *,
    requires: tuple[str, ...] = (),
    head: str = "",
) -> Path:
    """An installed distribution with a RECORD of its files and their digests; returns the folder of its metadata."""
    info = place / f"{name.replace('-', '_')}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    meta = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{head}{needs}"
    content = {f"{info.name}/METADATA": meta.encode(), **(files or {})}
    rows: list[str] = []
    for name_in_wheel, data in content.items():
        path = name_in_wheel.replace("{info}", info.name)
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        rows.append(f"{path},sha256={digest},{len(data)}")
    (info / "RECORD").write_text("\n".join([*rows, f"{info.name}/RECORD,,"]) + "\n")
    return info
