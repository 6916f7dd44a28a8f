"""The ledger: every call, kept through crashes, read back whole.

`writer.LedgerWriter` records (light: the gateway imports it), `Ledger` reads, imports and seals. It knows calls, not
what a task is worth.
"""

from ._erase import Erased, Whose
from ._expire import NEVER_US, Expired, Keep
from ._expire import Rules as RetentionRules
from ._rollup_read import TaskNames
from ._rollups import RELATIVE_ERROR, bucket_ms
from ._rollups import step_us as rollup_step_us
from ._store import Appended, Ledger, QueryResult
from .doctor import Finding
from .exporting import export_calls

__all__ = [
    "NEVER_US",
    "RELATIVE_ERROR",
    "Appended",
    "Erased",
    "Expired",
    "Finding",
    "Keep",
    "Ledger",
    "QueryResult",
    "RetentionRules",
    "TaskNames",
    "Whose",
    "bucket_ms",
    "export_calls",
    "rollup_step_us",
]
