"""What the end of an attempt means: for the target's health, and for what the call may do next."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from ._advice import Headers, told_wait_s

Verdict = Literal["ok", "failed", "slow", "overloaded", "limited", "spent", "refused", "cancelled", "hurried"]
"""How an attempt ended, seen from the target:

- `ok`: it answered.
- `failed`: it could not be reached, broke off, sent nonsense or a 5xx.
- `slow`: it did not answer in a time that was enough.
- `overloaded`: it says that it has too much to do (503, 529).
- `limited`: it says that we ask too much (429).
- `spent`: it wants money or another key; nothing will change until a person acts.
- `refused`: any other 4xx. The request is at fault and the target is well.
- `cancelled`: the client left, or another attempt was faster. Says nothing of the target.
- `hurried`: we gave up because the call was at its end, or before the target's usual time. Says nothing either.
"""


class Judgement(NamedTuple):
    """`again`: the same target may be asked once more; `elsewhere`: another one may. `told_s`: it said when."""

    verdict: Verdict
    again: bool = False
    elsewhere: bool = False
    told_s: float | None = None


OK = Judgement("ok")
UNREACHABLE = Judgement("failed", again=True, elsewhere=True)
BROKEN = UNREACHABLE
SLOW = Judgement("slow", elsewhere=True)
HURRIED = Judgement("hurried", elsewhere=True)
CANCELLED = Judgement("cancelled")
REFUSED = Judgement("refused")
PAID = Judgement("refused", elsewhere=True)
"""A whole answer that is of no use to this client: asked again, it would be paid for again."""

_OVERLOADED = frozenset({503, 529})
_PASSING = frozenset({408, 425, 500, 502, 504, 520, 521, 522, 523, 524, 525, 526, 530})
_NO_MONEY = re.compile(
    rb"insufficient_quota|billing_hard_limit|billing_not_active|credit balance is too low", re.IGNORECASE
)
_NO_MODEL = re.compile(rb"model_not_found|model_deprecated|model_decommissioned|not_found_error", re.IGNORECASE)
_LOOKED_AT = 4096


def judge(status: int, headers: Headers, body: bytes, wall_s: float, *, own_key: bool) -> Judgement:
    """What an answer with another status than 2xx means.

    Args:
        status: the HTTP status.
        headers: its headers, names in lower case.
        body: its body; only the first 4 kB are looked at, for the names of well-known errors.
        wall_s: seconds since the epoch, to compare dates with.
        own_key: the request carried a key of ours. Where it carried the client's, a 401, 402 or 429 is between the
            client and the provider, and the target's other clients do not suffer for it.
    """
    if status >= 500 or status in _PASSING:
        verdict: Verdict = "overloaded" if status in _OVERLOADED else "failed"
        again = verdict == "overloaded" or status in _PASSING  # 501 and 505 would say the same again
        return Judgement(verdict, again, elsewhere=True, told_s=told_wait_s(headers, wall_s))
    start = body[:_LOOKED_AT]
    if status == 402 or (status in {400, 403, 429} and _NO_MONEY.search(start)):
        return Judgement("spent", elsewhere=True) if own_key else REFUSED
    if status == 429:
        told_s = told_wait_s(headers, wall_s)
        return Judgement("limited" if own_key else "refused", again=told_s is not None, elsewhere=True, told_s=told_s)
    if status == 401 and own_key:
        return Judgement("spent", elsewhere=True)
    if status == 410 or (status == 404 and _NO_MODEL.search(start)):
        return Judgement("refused", elsewhere=True)
    return REFUSED
