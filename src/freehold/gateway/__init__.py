"""The data plane: what clients point at.

`app.Gateway` is the gateway in a running loop, `app.serve` the blocking program around it. Nothing is imported here.
"""
