"""Every error that Freehold raises on purpose, as one tree.

    FreeholdError                    500  exit 1
    ├── UsageError                   400  exit 2   the command or call makes no sense as it was given
    ├── ConfigurationError           500  exit 4   a setting is wrong; the message lists every place looked at
    ├── MissingPrerequisite          503  exit 4   a key, an extra, a file or an earlier step is missing
    ├── NotFound                     404  exit 1   no such task, call, student or file
    ├── GateRefused                  409  exit 3   a gate said no: evidence, approval or economics
    ├── BadLog                       400  exit 1   a log cannot be read as any known format
    ├── BadInvoice                   400  exit 1   an invoice cannot be read as one
    ├── BadAdvisories                400  exit 1   a file of advisories, or an answer about them, cannot be read as one
    ├── BundleRefused                422  exit 1   a bundle is changed, unsigned, incomplete or holds a refused format
    ├── LedgerUnavailable            503  exit 1   the ledger cannot be read or written
    ├── BadRequest                   400  exit 1   a request body or header that no provider could answer
    ├── RestrictedRefused            403  exit 3   restricted data, and no owned model may answer
    │   └── RestrictedUnavailable    503  exit 3   restricted data, and its owned model does not answer at this moment
    ├── CallerRefused                             a virtual key does not carry the call
    │   ├── InvalidKey       401  exit 1   a virtual key is unknown, expired or revoked, or one is needed and missing
    │   ├── KeyScope         403  exit 3   the key is not for this model or task
    │   ├── PriceUnknown     403  exit 3   the key has a budget, and nobody knows what the call would cost
    │   ├── BudgetExhausted  429  exit 3   the key's budget does not carry the call
    │   └── RateLimited      429  exit 1   the key's requests or tokens of this minute are used up
    ├── RecordingMissing             404  exit 1   the recorded provider holds no answer to this request
    ├── Overloaded                   503  exit 1   too much to do: a call was shed, and may come back later
    └── UpstreamFailed               502  exit 1   a provider refused, broke off, stalled or sent something unreadable
        └── UpstreamTimeout          504  exit 1   a provider did not answer inside the deadline
            └── DeadlineExceeded     504  exit 1   the call's own time is over

`code` is stable and machine-readable, `hint` is the next command or setting to type, `status` is the HTTP status where
the error crosses the wire, `exit_code` is what the command line ends with. Messages never carry keys, prompts or
answers.
"""

from __future__ import annotations

from typing import ClassVar


class FreeholdError(Exception):
    """Base of the tree.

    Args:
        message: what is wrong, for a person; no secrets and no content of calls.
        hint: the next command or setting to type, or "" where there is none.
        code: overrides the class's code where one class has several causes.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    lines: bytes = b""
    """Header lines of HTTP that belong to an answer with this error, each ended by CRLF."""

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.error_code = code or self.code

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(FreeholdError):
    """The command or call makes no sense as it was given."""

    code = "usage"
    status = 400
    exit_code = 2


class ConfigurationError(FreeholdError):
    """A setting is wrong or unknown."""

    code = "configuration"
    exit_code = 4


class MissingPrerequisite(FreeholdError):
    """A key, an extra, a file or an earlier step is missing."""

    code = "missing_prerequisite"
    status = 503
    exit_code = 4


class NotFound(FreeholdError):
    """No such task, call, student or file."""

    code = "not_found"
    status = 404


class GateRefused(FreeholdError):
    """A gate said no: evidence, approval or economics."""

    code = "gate_refused"
    status = 409
    exit_code = 3


class BadLog(FreeholdError):
    """A log cannot be read as any known format, or could be in several."""

    code = "bad_log"
    status = 400


class BadInvoice(FreeholdError):
    """An invoice or a usage export cannot be read as one; the message names the line and the column."""

    code = "bad_invoice"
    status = 400


class BadRevenue(FreeholdError):
    """A table of what customers pay cannot be read as one; the message names the line and the column."""

    code = "bad_revenue"
    status = 400


class BadAdvisories(FreeholdError):
    """A file of advisories, or a service's answer about them, cannot be read as one."""

    code = "bad_advisories"
    status = 400


class BundleRefused(FreeholdError):
    """A bundle is changed, unsigned, incomplete or holds a refused format."""

    code = "bundle_refused"
    status = 422


class LedgerUnavailable(FreeholdError):
    """The ledger cannot be read or written."""

    code = "ledger_unavailable"
    status = 503


class BadRequest(FreeholdError):
    """A request body or header that no provider could answer."""

    code = "bad_request"
    status = 400


class RestrictedRefused(FreeholdError):
    """Restricted data, and no owned model may answer: nothing leaves."""

    code = "restricted_refused"
    status = 403
    exit_code = 3


class RestrictedUnavailable(RestrictedRefused):
    """Restricted data whose owned model serves and does not answer at this moment: nothing leaves; come back soon."""

    code = "restricted_unavailable"
    status = 503
    lines = b"retry-after: 1\r\n"


class CallerRefused(FreeholdError):
    """A virtual key does not carry the call: one of the errors below says why.

    Args:
        message: what is wrong; names the key by its name, never by itself.
        hint: what to do about it.
        lines: header lines of HTTP that belong to the answer.
    """

    status = 403

    def __init__(self, message: str, *, hint: str = "", lines: bytes = b"") -> None:
        super().__init__(message, hint=hint)
        self.lines = lines


class InvalidKey(CallerRefused):
    """A virtual key is unknown, expired or revoked, or one is needed and missing."""

    code = "invalid_key"
    status = 401


class KeyScope(CallerRefused):
    """The key is not for this model or task."""

    code = "key_scope"
    exit_code = 3


class PriceUnknown(CallerRefused):
    """The key has a budget, and nobody knows what the call would cost."""

    code = "price_unknown"
    exit_code = 3


class BudgetExhausted(CallerRefused):
    """The key's budget does not carry the call."""

    code = "budget_exhausted"
    status = 429
    exit_code = 3


class RateLimited(CallerRefused):
    """The key's requests or tokens of this minute are used up."""

    code = "rate_limited"
    status = 429


class RecordingMissing(FreeholdError):
    """The recorded provider holds no answer to this request."""

    code = "recording_missing"
    status = 404


class Overloaded(FreeholdError):
    """Too much to do: a call was shed. `retry_after_s`: whole seconds after which it is worth coming back."""

    code = "overloaded"
    status = 503

    def __init__(self, message: str, *, retry_after_s: int = 1, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s
        self.lines = b"retry-after: %d\r\n" % retry_after_s


class UpstreamFailed(FreeholdError):
    """A provider refused, broke off, stalled or sent something unreadable."""

    code = "upstream_failed"
    status = 502


class AnswerUntranslatable(UpstreamFailed):
    """A provider's whole answer, which is paid for, cannot be said in the client's format."""

    code = "answer_untranslatable"


class UpstreamTimeout(UpstreamFailed):
    """A provider did not answer inside the deadline."""

    code = "upstream_timeout"
    status = 504


class DeadlineExceeded(UpstreamTimeout):
    """The time that the call may take in all is over."""

    code = "deadline_exceeded"
