"""Who exists and who allowed it: tasks, contracts, students, certificates, stages, and the log of who decided what.

`freehold.registry.store.Registry` owns `control.db`; `freehold.registry.routes` reads and writes the one file that the
gateway routes by; `freehold.registry.demotion` takes a student off from inside the gateway. Nothing is imported here,
so that the gateway can use `routes` without loading a database. Knows nothing of how models work.
"""
