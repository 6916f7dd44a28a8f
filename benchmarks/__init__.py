"""Benchmarks: each prints a ratio against a reference of the same run, and exits 1 where a figure is missed."""
