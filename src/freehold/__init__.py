"""Freehold: rent intelligence until owning it pays, then own it, with proof.

The folders of this package are the stations of one circle: a `gateway` records calls in the `ledger`, `tasks` finds
what recurs in them, `economics` and `verdict` say what each would cost otherwise, `students` learn, `evidence`
certifies, the `registry` remembers who allowed what, and `serving` answers. `services` walks the circle; `cli` is how
a person asks for it.
"""

__version__ = "0.1.0"
