"""For whom and for what a call was made, as its client says: end user, session, team, feature.

A header says it for any dialect and wins over the body, whose own fields say it where a client can set no header. Only
names that are known are kept: a body may hold anything else, and stays in the ledger as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, cast
from urllib.parse import unquote

from freehold.vocabulary import END_USER_TAG, FEATURE_TAG, SESSION_TAG, TEAM_TAG, TRACE_TAG
from freehold.vocabulary.pseudonyms import pseudonym
from freehold.wire.openai import ChatRequest

EndUsers = Literal["keep", "hash", "drop"]

MOST_CHARS = 256
"""A longer name is cut: what names a user or a session is short, and tags are kept for every call."""

_BY_HEADER = {
    b"x-freehold-end-user": END_USER_TAG,
    b"x-freehold-session": SESSION_TAG,
    b"x-freehold-team": TEAM_TAG,
    b"x-freehold-feature": FEATURE_TAG,
}
_TRACE = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C's trace context. What does not look like one is not kept: it could be anything."""
_BY_METADATA = {
    "user_id": END_USER_TAG,  # Anthropic's own field
    "end_user": END_USER_TAG,
    "session_id": SESSION_TAG,
    "session": SESSION_TAG,
    "team": TEAM_TAG,
    "feature": FEATURE_TAG,
}


class Attribution:
    """Reads what calls say of themselves, as the settings want end users kept.

    Args:
        end_users: `keep` their names, `hash` them (`pseudonym`), or `drop` them.
        pepper: the secret of the home; needed for `hash` alone.
    """

    def __init__(self, end_users: EndUsers = "keep", pepper: bytes = b"") -> None:
        self._end_users = end_users
        self._pepper = pepper

    def tags(self, named: Mapping[bytes, bytes], chat: ChatRequest) -> dict[str, str]:
        """The tags of one call, from its headers by name and its body; a new dictionary, mostly empty."""
        tags = self._kept(_from_body(chat), named)
        trace = named.get(b"traceparent")
        if trace and _TRACE.fullmatch(trace):
            tags[TRACE_TAG] = trace.decode()
        return tags

    def _kept(self, found: dict[str, str], named: Mapping[bytes, bytes]) -> dict[str, str]:
        for name in _BY_HEADER.keys() & named.keys():
            found[_BY_HEADER[name]] = unquote(named[name].decode("latin-1"), errors="replace")
        if not found:
            return found
        kept = {name: value.replace("\x00", "")[:MOST_CHARS] for name, value in found.items()}
        if END_USER_TAG in kept and self._end_users != "keep":
            user = kept.pop(END_USER_TAG)
            if self._end_users == "hash":
                kept[END_USER_TAG] = pseudonym(user, self._pepper)
        return kept


def _from_body(chat: ChatRequest) -> dict[str, str]:
    found: dict[str, str] = {}
    user = chat.safety_identifier or chat.user
    if user and isinstance(user, str):
        found[END_USER_TAG] = user
    if chat.conversation:
        session = _conversation(chat.conversation)
        if session:
            found[SESSION_TAG] = session
    if chat.metadata:
        for name, tag in _BY_METADATA.items():
            value = chat.metadata.get(name)
            if value and isinstance(value, str):
                found[tag] = value
    return found


def _conversation(value: Any) -> str:
    """The id of a Responses conversation, which is given as a text or as an object."""
    stated = cast("dict[str, Any]", value).get("id") if isinstance(value, dict) else value
    return stated if isinstance(stated, str) else ""
