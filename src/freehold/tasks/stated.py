"""Calls without bodies, as logs of costs alone hold them: grouped by what the log says of them, and marked as such.

A log that names the prompt of a call says most; next comes the feature that made it; else who asked which model where
is all there is. Nobody can tell from this whether the calls ask for one thing, so it teaches nothing.
"""

from __future__ import annotations

import msgspec

from freehold.vocabulary import Call
from freehold.vocabulary.call import CONTENT_TAG, FEATURE_TAG, PROMPT_TAG

_SAID = (("prompt", PROMPT_TAG), ("feature", FEATURE_TAG))
_EMPTY = frozenset((b"", b"{}", b"null", b'""'))
_decode_tags = msgspec.json.Decoder(dict[str, str]).decode


def has_body(request: bytes) -> bool:
    """Whether there is a request to look at."""
    return len(request) > 4 or request not in _EMPTY


def stated(call: Call) -> str:
    """What a call without a body is grouped by, in words; "" where its log says nothing at all."""
    return said(call.tags, call.model, call.key, call.dialect)


def said(tags: dict[str, str] | str, model: str, key: str, dialect: str) -> str:
    """The same, from the parts of a call; `tags` may be JSON."""
    known = _decode_tags(tags) if isinstance(tags, str) else tags
    if CONTENT_TAG in known:
        return ""  # there was a body: it expired or was erased
    for word, tag in _SAID:
        if known.get(tag):
            return f"{word} {known[tag]}"
    if not model and not key:
        return ""
    return " ".join(filter(None, (f"model {model}" if model else "", f"key {key}" if key else "", f"at {dialect}")))
