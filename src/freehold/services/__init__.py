"""The walks round the circle: what a person asks for, done by the rooms below.

The command line holds no logic of its own; it calls these.
"""

from .home import Home

__all__ = ["Home"]
