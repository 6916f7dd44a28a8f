"""The student's immutable name: it follows from what it answers with and what it learned from."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from freehold.vocabulary import Manifest

from ._formats import Layout

SCHEMA: Final = "freehold.bundle/1"


def student_id(manifest: Manifest) -> str:
    """The id that belongs to a manifest: a digest of the model files, the data set and how it was trained.

    Cards, contract signatures and evidence are not part of it, so that evidence added later leaves the name alone; nor
    are date, machine and code version, so that a rebuilt student with the same weights gets the same name.
    """
    parts = (
        manifest.task_id,
        manifest.rung,
        manifest.template_ids,
        manifest.contract_version,
        manifest.dataset_digest,
        manifest.scope_threshold,
        manifest.parameters,
        manifest.seed,
        {name: digest for name, digest in manifest.files.items() if Layout.is_model_file(name)},
    )
    digest = hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()
    return f"st-{digest[:16]}"
