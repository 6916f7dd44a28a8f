"""The demo: a recorded support desk, and the walk round the whole circle that `make demo` takes. Offline, seeded, invented."""
