"""Who exists and who allowed it: tasks, contracts, students, certificates, stages, keys, and who decided what.

`freehold.registry.store.Registry` owns `control.db`; `freehold.registry.routes` reads and writes the file that the
gateway routes by, `freehold.registry.keys` the one by which it knows its callers; `freehold.registry.demotion` takes a
student off from inside the gateway. Nothing is imported here, so that the gateway can use these without loading a
database. Knows nothing of how models work.
"""
