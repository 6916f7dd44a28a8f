"""What recurs in the traffic: the tasks, the versions of their prompts, their contracts and their workload.

Knows calls and nothing of money, models or routes. `matching` and `contracts.check` are light enough for the path of a
call; everything that learns loads numpy when it is used, never on import of this package.
"""
