"""The ledger: every call, kept through crashes, read back whole.

`writer.LedgerWriter` records (light: the gateway imports it), `Ledger` reads, imports and seals. It knows calls, not
what a task is worth.
"""

from ._store import Appended, Ledger, QueryResult
from .doctor import Finding
from .exporting import export_calls

__all__ = ["Appended", "Finding", "Ledger", "QueryResult", "export_calls"]
