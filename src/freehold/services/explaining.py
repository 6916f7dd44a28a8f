"""Why one call was answered as it was: every attempt with its time, tokens and exact cost, and the reason in words.

The content of the call is no part of an explanation unless it is asked for.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from freehold.errors import NotFound, UsageError
from freehold.tasks.stated import has_body
from freehold.vocabulary import (
    CONTENT_TAG,
    ENDED_FREE,
    GATEWAY,
    ZERO,
    Call,
    Feedback,
    Leg,
    Source,
    Task,
    Usage,
    reasons,
)

from ._attempts import SERVING, Attempt, attempts
from .home import Home

_MANY = 5


class LegRow(msgspec.Struct, frozen=True):
    """One attempt. `cost_usd` None: nobody can tell; `price` says what its price rests on, or what is missing.

    `answered`: what the client got is this attempt's. Times in milliseconds, `began_ms` since the call came. Token
    counts as in the ledger: `input_tokens` uncached only.
    """

    purpose: str
    owner: str
    provider: str
    model: str
    outcome: str
    status: int
    began_ms: float
    latency_ms: float
    ttft_ms: float | None
    usage: Usage | None
    confidence: float | None
    in_scope: bool | None
    agrees: bool | None
    answered: bool
    cost_usd: Decimal | None
    price: Source
    error: str


class Promise(msgspec.Struct, frozen=True):
    """What the owned model's confidence is held against.

    `when` is `then` where the stage in force at the time of the call is known, else `now`: the task's present one.
    """

    threshold: float
    scope_threshold: float
    certificate_id: str
    student_id: str
    when: str


class FeedbackRow(msgspec.Struct, frozen=True):
    """Something that was said of the call; `score` is None for everything but scores, whose words are content."""

    kind: str
    name: str
    score: float | None
    given_by: str
    via: str
    at: str


class Content(msgspec.Struct, frozen=True):
    """What was asked and answered, as text; shown only where it was asked for.

    `missing` says in words why the call holds no request, "" where it does.
    """

    request: str
    response: str
    legs: tuple[str | None, ...]
    gold: str | None
    feedback: tuple[str, ...] = ()
    missing: str = ""


class Explanation(msgspec.Struct, frozen=True):
    """Everything that is known about how one call was answered.

    `reason` is a code of `vocabulary.reasons`, "" where none was recorded; `way` and `because` are then told from the
    attempts, as far as that goes. `cost_usd` adds up the attempts whose cost is known; `unpriced` counts the others.
    """

    call_id: str
    started_at: str
    task: str
    task_id: str
    template: str
    recognised: str
    dialect: str
    streamed: bool
    key: str
    source: str
    served_by: str
    provider: str
    model: str
    outcome: str
    status: int
    error: str
    latency_ms: float
    ttft_ms: float | None
    reason: str
    way: str
    because: str
    confidence: float | None
    promise: Promise | None
    legs: tuple[LegRow, ...]
    cost_usd: Decimal
    unpriced: int
    has_gold: bool
    feedback: tuple[FeedbackRow, ...] = ()
    content: Content | None = None


def explain(home: Home, call_id: str, *, content: bool = False) -> Explanation:
    """Explain a call, named by its id or the beginning of it.

    Raises:
        NotFound: the ledger holds no such call.
        UsageError: several calls begin so.
    """
    call = find(home, call_id)
    match = next((found for _, found in home.recognise([call])), None)
    task = next((one for one in home.registry.tasks() if match is not None and one.id == match.task_id), None)
    legs = tuple(_rows(home, call))
    said = home.ledger.feedback([call.id]).get(call.id, [])
    reason = call.reason or _told_from(call)
    known = reasons.BY_CODE.get(reason)
    return Explanation(
        call_id=call.id,
        started_at=_at(call).isoformat(timespec="milliseconds"),
        task=task.name if task else "",
        task_id=task.id if task else "",
        template=call.template or (match.template_id if match else ""),
        recognised=match.how if match else "",
        dialect=call.dialect,
        streamed=call.streamed,
        key=call.key,
        source=call.source,
        served_by=call.owner,
        provider=call.provider,
        model=call.model,
        outcome=call.outcome,
        status=call.status,
        error=call.error,
        latency_ms=call.latency_ms,
        ttft_ms=call.ttft_ms,
        reason=call.reason,
        way=known.way if known else "refused" if call.outcome == "refused" else call.owner,
        because=known.sentence if known else _unsaid(call),
        confidence=next((leg.confidence for leg in call.legs if leg.confidence is not None), None),
        promise=_promise(home, call, task) if task else None,
        legs=legs,
        cost_usd=sum((leg.cost_usd for leg in legs if leg.cost_usd is not None), ZERO),
        unpriced=sum(leg.cost_usd is None for leg in legs),
        has_gold=call.gold is not None,
        feedback=tuple(map(_said, said)),
        content=_content(call, said) if content else None,
    )


def find(home: Home, call_id: str) -> Call:
    """The call of that id, or the only one whose id begins so.

    Raises:
        NotFound: there is none.
        UsageError: there are several; the hint names some.
    """
    try:
        return home.ledger.get(call_id)
    except NotFound:
        ids = home.ledger.starting_with(call_id, limit=_MANY) if call_id else []
    if len(ids) == 1:
        return home.ledger.get(ids[0])
    if ids:
        several = f"{_MANY} calls or more" if len(ids) == _MANY else f"{len(ids)} calls"
        raise UsageError(f"the ids of {several} begin with {call_id}", hint=" ".join(ids))
    raise NotFound(
        f"the ledger holds no call whose id is or begins with {call_id!r}",
        hint="freehold calls lists what there is; an answer names its call in the header x-freehold-call-id",
    )


def _at(call: Call) -> datetime:
    return datetime.fromtimestamp(call.started_at_us / 1e6, UTC)


# why


def _told_from(call: Call) -> str:
    """The reason of a call that was recorded without one, where its attempts leave no doubt."""
    asked = next((leg for leg in call.legs if leg.owner == "owned" and leg.purpose in SERVING), None)
    if call.source != GATEWAY or asked is None:
        return ""
    if call.owner == "owned":
        return reasons.SURE
    if call.outcome == "refused":
        return reasons.RESTRICTED
    if asked.outcome != "ok":
        return reasons.OWNED_FAILED
    return reasons.UNSURE if asked.in_scope else reasons.OUT_OF_SCOPE


def _unsaid(call: Call) -> str:
    if call.source != GATEWAY:
        return "it was imported; this gateway did not answer it"
    return "no reason was recorded with it"


def _promise(home: Home, call: Call, task: Task) -> Promise | None:
    """The certificate that the owned model answered under; of now where nobody can tell which one held then."""
    student = next((leg.model for leg in call.legs if leg.owner == "owned"), "")
    held = {one.certificate.id: one.certificate for one in home.registry.certificates(task.id)}
    at = _at(call).isoformat(timespec="microseconds")
    history = home.registry.stage_history(task.id)
    before = [step for step in history if step.made_at <= at and step.certificate_id in held]
    then = before[-1] if before and before[-1].student_id == student else None
    step = then or (history[-1] if history else None)
    if not student or step is None or step.student_id != student or step.certificate_id not in held:
        return None
    certificate = held[step.certificate_id]
    if certificate.threshold is None:
        return None
    when = "then" if then is not None else "now"
    return Promise(certificate.threshold, certificate.scope_threshold, certificate.id, student, when)


# what it cost


def _rows(home: Home, call: Call) -> list[LegRow]:
    return [_row(home, call, one) for one in attempts(call)]


def _row(home: Home, call: Call, attempt: Attempt) -> LegRow:
    leg, usage, answered = attempt
    cost, price = _cost(home, call, leg, usage)
    return LegRow(
        purpose=leg.purpose,
        owner=leg.owner,
        provider=leg.provider,
        model=leg.model,
        outcome=leg.outcome,
        status=leg.status,
        began_ms=leg.offset_ms,
        latency_ms=leg.latency_ms,
        ttft_ms=leg.ttft_ms,
        usage=usage,
        confidence=leg.confidence,
        in_scope=leg.in_scope,
        agrees=leg.agrees,
        answered=answered,
        cost_usd=cost,
        price=price,
        error=leg.error,
    )


def _uncounted(call: Call) -> str:
    """Why nobody counted, and what would have them counted."""
    if call.streamed and call.dialect in {"openai.chat", "openai.completions"}:
        return "its client asked for no token counts of the stream; stream_usage of the provider has them counted"
    return "the provider stated no token counts"


def _cost(home: Home, call: Call, leg: Leg, usage: Usage | None) -> tuple[Decimal | None, Source]:
    day = _at(call).date().isoformat()
    if leg.owner == "owned":
        return ZERO, Source("no price by the token: what owned models cost is in the verdict", day)
    if usage is None and leg.outcome in ENDED_FREE:
        return ZERO, Source("no answer came and no tokens were stated: counted as nothing", day, assumed=True)
    if usage is None:
        return None, Source(f"unknown: {_uncounted(call)}", day)
    priced = home.prices.price_leg(call, leg, usage)
    return priced.usd, priced.source


def _said(one: Feedback) -> FeedbackRow:
    at = datetime.fromtimestamp(one.at_us / 1e6, UTC).isoformat(timespec="seconds")
    return FeedbackRow(one.kind, one.name, None if isinstance(one.value, str) else one.value, one.given_by, one.via, at)


def _content(call: Call, said: list[Feedback]) -> Content:
    return Content(
        call.request.decode("utf-8", "replace"),
        call.response.decode("utf-8", "replace"),
        tuple(leg.answer for leg in call.legs),
        call.gold,
        tuple(str(one.value) for one in said),
        _missing(call),
    )


def _missing(call: Call) -> str:
    if has_body(call.request):
        return ""
    match call.tags.get(CONTENT_TAG):
        case "erased":
            return "This call's content was erased."
        case "expired":
            return "This call's content has expired: retention let it go."
        case _:
            imported = call.source != GATEWAY
            return (
                "This call was imported without its content." if imported else "This call was recorded without content."
            )


# in words


def exact(usd: Decimal | None) -> str:
    """An amount to the last digit; a call costs fractions of a cent, and no fraction is rounded away."""
    if usd is None:
        return "unknown"
    whole, _, part = f"{abs(usd):f}".partition(".")
    return f"{'-' if usd < 0 else ''}${whole}.{part.rstrip('0').ljust(2, '0')}"


def in_words(told: Explanation) -> list[str]:
    """The explanation as sentences, without the attempts."""
    about = f"Call {told.call_id} of {told.started_at[:19].replace('T', ' ')} UTC"
    about += f", task {told.task}" if told.task else ", of no known task"
    lines = [f"{about}{f', key {told.key}' if told.key else ''}.", _ended(told), f"{_why(told)}."]
    if told.unpriced:
        known = f"{exact(told.cost_usd)}, and more" if told.cost_usd else "unknown"
        which = "one attempt has" if told.unpriced == 1 else f"{told.unpriced} attempts have"
        lines.append(f"Cost: {known}: {which} no known cost.")
    elif told.legs:
        lines.append(f"Cost: {exact(told.cost_usd)} in all.")
    else:
        lines.append("Cost: nothing; no model was asked.")
    lines += [_feedback(one) for one in told.feedback]
    if told.has_gold:
        lines.append("Its right answer is known.")
    return lines


def _feedback(one: FeedbackRow) -> str:
    what = f"{one.kind}{f' {one.name}' if one.name else ''}{f' {one.score:g}' if one.score is not None else ''}"
    by = f" by {one.given_by}" if one.given_by else ""
    return f"Feedback: {what}{by}, {one.at[:19].replace('T', ' ')} UTC."


def _ended(told: Explanation) -> str:
    took = f"{told.latency_ms:,.1f} ms"
    first = f", the first token after {told.ttft_ms:,.1f} ms" if told.ttft_ms is not None else ""
    whose = f"{told.model} of {told.provider}" if told.provider else told.model
    student = next((leg.model for leg in told.legs if leg.owner == "owned" and leg.answered), "an owned model")
    who = {"owned": f"the owned model {student}", "rented": f"the rented model {whose}"}.get(told.served_by, "nobody")
    error = f": {told.error}" if told.error else ""
    match told.outcome:
        case "ok":
            return f"Answered by {who} in {took}{first}."
        case "incomplete":
            return f"The answer of {who} broke off after {took}{first}{error}."
        case "cancelled":
            return f"The client left after {took}, while {who} was answering."
        case "refused":
            return f"Refused with status {told.status}{error}."
        case _:
            return f"Failed with status {told.status} after {took}{error}."


def _why(told: Explanation) -> str:
    began = {"owned": "Owned", "rented": "Rented", "escalated": "Escalated", "cached": "From the cache"}
    said = f"{began.get(told.way, 'Refused' if told.way == 'refused' else 'Why')}: {told.because}"
    if told.confidence is None:
        return said
    said += f"; it was {told.confidence:.4f} sure"
    if told.promise is not None:
        since = "at the time" if told.promise.when == "then" else "now"
        said += f", and answers by itself from {told.promise.threshold:.4f} on ({told.promise.certificate_id}, {since})"
    return said
