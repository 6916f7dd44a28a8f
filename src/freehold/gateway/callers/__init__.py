"""Who calls, and what that may cost: virtual keys, budgets in money, limits per minute.

`Callers` is what the gateway holds, one per process; `freehold.gateway.callers.spending` reads what it keeps, for those
who only look. No database is opened: keys come from a published file, and what was spent lies in a file that every
process of the home maps. Knows nothing of HTTP beyond header lines, and of no provider.
"""

from ._admission import Admission, Claim
from ._caller import Caller
from ._desk import Callers
from ._presented import Headers, query_without_keys, without_keys

__all__ = ["Admission", "Caller", "Callers", "Claim", "Headers", "query_without_keys", "without_keys"]
