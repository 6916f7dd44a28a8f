"""The ledger: every call, kept through crashes, read back whole.

`writer.LedgerWriter` records (light: the gateway imports it), `sealing.seal` seals (light as well), `Ledger` reads and
imports. It knows calls, not what a task is worth.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_OTHERWISE_CALLED = {"RetentionRules": "Rules", "rollup_step_us": "step_us"}
_MODULES = {
    "_erase": ("Erased", "Whose"),
    "_expire": ("NEVER_US", "Expired", "Keep", "RetentionRules"),
    "_rollup_read": ("TaskNames",),
    "_rollups": ("RELATIVE_ERROR", "bucket_ms", "rollup_step_us"),
    "_store": ("Appended", "Ledger", "QueryResult"),
    "doctor": ("Finding",),
    "exporting": ("export_calls",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load what is asked for: the gateway and the process that seals have use for a few modules of this package."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), _OTHERWISE_CALLED.get(name, name))
    globals()[name] = value
    return value
