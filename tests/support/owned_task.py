"""The task of `tests.support.gateway` with a student that may answer it, and a call that belongs to it."""

from __future__ import annotations

import json
from typing import Any

from tests.support.gateway import SYSTEM

from freehold.vocabulary import Route

FULL = Route(
    "task-1",
    "triage",
    stage="full",
    student_id="s1",
    bundle="bundles/s1",
    certificate_id="cert-1",
    template_ids=("t1",),
    threshold=0.9,
    scope_threshold=0.5,
    alpha=0.05,
    audit_share=0.0,
    loss="label",
)


def body(text: str = "where is my money", **extra: Any) -> bytes:
    """A request whose input is the text."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]
    return json.dumps({"model": "gpt-x", "messages": messages} | extra).encode()
