"""Why a call was answered as it was: the codes of `Call.reason`, closed, each with one sentence for a person.

A code says which way a call took, not how it ended: a rented call whose provider failed keeps the reason for which it
was rented, and its outcome, error and legs say the rest. A call that was first meant for an owned model and then went
on to a rented one has an `escalated` code; one that was refused has the code of what refused it.

Codes are kept in ledgers for years: add to them, never change what one means, never take one away.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Way = Literal["owned", "rented", "escalated", "refused", "cached"]
"""The five ways a call can take. `escalated`: an owned model was asked, and a rented one answered."""


class Reason(NamedTuple):
    """One reason: its code, the way it led to, and a sentence that completes "This call took that way: …"."""

    code: str
    way: Way
    sentence: str


# Rented without asking an owned model.
NO_TASK: Final = "no_task"
PASSED_ON: Final = "passed_on"
NO_OWNED_MODEL: Final = "no_owned_model"
PAUSED: Final = "paused"
DEMOTED: Final = "demoted"
SHADOW: Final = "shadow"
NOT_IN_CANARY: Final = "not_in_canary"
TEMPLATE_NOT_COVERED: Final = "template_not_covered"
ASKS_WHAT_OWNED_CANNOT_GIVE: Final = "asks_what_owned_cannot_give"
OWNED_NOT_LOADED: Final = "owned_not_loaded"

# An owned model was asked, and the call went on to a rented one.
UNSURE: Final = "unsure"
OUT_OF_SCOPE: Final = "out_of_scope"
OWNED_FAILED: Final = "owned_failed"
TOO_LONG: Final = "too_long"

# Answered by an owned model.
SURE: Final = "sure"
OWNED_FALLBACK: Final = "owned_fallback"

# Answered by nobody new.
CACHE_HIT: Final = "cache_hit"

# Refused.
RESTRICTED: Final = "restricted"
BAD_REQUEST: Final = "bad_request"
KEY_MISSING: Final = "key_missing"
KEY_UNKNOWN: Final = "key_unknown"
KEY_EXPIRED: Final = "key_expired"
KEY_REVOKED: Final = "key_revoked"
KEY_SCOPE: Final = "key_scope"
BUDGET_EXHAUSTED: Final = "budget_exhausted"
BUDGET_UNAVAILABLE: Final = "budget_unavailable"
PRICE_UNKNOWN: Final = "price_unknown"
RATE_LIMITED: Final = "rate_limited"
OVERLOADED: Final = "overloaded"
UNTRANSLATABLE: Final = "untranslatable"
NOBODY_TO_ASK: Final = "nobody_to_ask"
INTERNAL: Final = "internal"

REASONS: Final[tuple[Reason, ...]] = (
    Reason(NO_TASK, "rented", "it belongs to no task that has been found, so no owned model can have learned it"),
    Reason(PASSED_ON, "rented", "this kind of request goes to the provider as it is; no owned model answers it"),
    Reason(NO_OWNED_MODEL, "rented", "no owned model serves its task"),
    Reason(PAUSED, "rented", "a person has paused owned answers"),
    Reason(DEMOTED, "rented", "the task's owned model was taken off because its audit broke its promise"),
    Reason(SHADOW, "rented", "the task's owned model is on the stage shadow: it computes, and answers nobody"),
    Reason(NOT_IN_CANARY, "rented", "the owned model serves a share of the task's calls, and this one was not in it"),
    Reason(
        TEMPLATE_NOT_COVERED,
        "rented",
        "its prompt, tools or schema are a version that the owned model's certificate does not cover",
    ),
    Reason(
        ASKS_WHAT_OWNED_CANNOT_GIVE,
        "rented",
        "it asks for something that no owned model gives, such as log probabilities or several choices",
    ),
    Reason(OWNED_NOT_LOADED, "rented", "the task's owned model was not loaded at that moment"),
    Reason(UNSURE, "escalated", "the owned model was not sure enough"),
    Reason(OUT_OF_SCOPE, "escalated", "the call does not resemble what the owned model learned from"),
    Reason(OWNED_FAILED, "escalated", "the owned model failed or did not answer in time"),
    Reason(TOO_LONG, "escalated", "the owned model's answer was longer than the call allows"),
    Reason(SURE, "owned", "the owned model was sure of it"),
    Reason(OWNED_FALLBACK, "owned", "every rented model that could be asked had failed, so the owned model answered"),
    Reason(CACHE_HIT, "cached", "the same request had been answered before, and the task's cache is on"),
    Reason(RESTRICTED, "refused", "its task is restricted, no owned model may answer it, and it may not leave"),
    Reason(BAD_REQUEST, "refused", "it makes no sense to any provider"),
    Reason(KEY_MISSING, "refused", "this gateway asks for a virtual key, and there was none"),
    Reason(KEY_UNKNOWN, "refused", "its key is none of this gateway's"),
    Reason(KEY_EXPIRED, "refused", "its virtual key has expired"),
    Reason(KEY_REVOKED, "refused", "its virtual key was revoked"),
    Reason(KEY_SCOPE, "refused", "its virtual key is not for this model, task or path"),
    Reason(BUDGET_EXHAUSTED, "refused", "its virtual key's budget would have been exceeded"),
    Reason(BUDGET_UNAVAILABLE, "refused", "the account of its virtual key's budget could not be kept at that moment"),
    Reason(PRICE_UNKNOWN, "refused", "its virtual key has a budget, and nobody knows what the model costs"),
    Reason(RATE_LIMITED, "refused", "its virtual key had made its calls or used its tokens for that minute"),
    Reason(OVERLOADED, "refused", "the gateway or its provider had more calls than it could answer in time"),
    Reason(UNTRANSLATABLE, "refused", "it asks for something that cannot be said in the dialect of its provider"),
    Reason(NOBODY_TO_ASK, "refused", "a provider, its key or the route table was missing"),
    Reason(INTERNAL, "refused", "the gateway itself failed"),
)
"""Every reason, in the order in which the documentation lists them."""

BY_CODE: Final[dict[str, Reason]] = {reason.code: reason for reason in REASONS}
