"""The demo: a recorded support desk, and the walk round the whole circle. Offline, seeded, invented."""
