"""Running owned models: worker processes, and the client by which the gateway asks them.

`StudentHost` is light (asyncio and msgspec); everything that a student needs is loaded in the worker alone.
"""

from ._link import inherited
from .host import StudentHost, WorkerHealth

__all__ = ["StudentHost", "WorkerHealth", "inherited"]
