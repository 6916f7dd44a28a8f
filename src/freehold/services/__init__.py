"""The walks round the circle: what a person asks for, done by the rooms below.

The command line holds no logic of its own; it calls these. Nothing is imported here, because starting the gateway
passes through this package and must not load what the other walks need.
"""
