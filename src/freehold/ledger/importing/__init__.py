"""Reading existing logs into the ledger.

`known` lists the formats, `protocol` says what one is, `sources` where records come from. A log's format is detected
and said; what it holds and what it cannot be used for stands in the report. A record that cannot be read is reported
by number and reason, never by content, and the rest is imported.
"""

from .bodies import started_at_us
from .report import Content, Imported, ImportReport, Unread
from .running import import_file, import_logs, read_calls

__all__ = [
    "Content",
    "ImportReport",
    "Imported",
    "Unread",
    "import_file",
    "import_logs",
    "read_calls",
    "started_at_us",
]
