"""The classification student: kernel ridge regression over words and character n-grams, with an out-of-scope gate.

Why a kernel machine and not a plain linear one, and what it costs: `design/students.md`.
"""
