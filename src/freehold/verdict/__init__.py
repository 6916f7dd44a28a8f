"""The decision per task: options + evidence + constraints -> the answer, its reasons, and what flips it.

Knows what the options cost and what is known of their quality; not how either was computed.
"""

from .constraints import Constraints
from .decision import decide, weigh
from .schema import as_json

__all__ = ["Constraints", "as_json", "decide", "weigh"]
