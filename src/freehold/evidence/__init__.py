"""What may be promised, and whether a promise still holds. Pure numbers in, verdicts with intervals out.

`losses` says when two answers differ, `certificates` turns held-out answers into a promise, `intervals` holds the exact
binomial bounds, `sequential` watches a promise for ever without false alarms, `drift` compares two windows of traffic.
This room does not know where the numbers come from. This file imports nothing, because the gateway loads `losses` and
`sequential` and must not load numpy with them.
"""
