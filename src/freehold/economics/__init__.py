"""What a task's calls would cost, answered in any of several ways: workload x market -> options -> cash.

Knows numbers, not where they come from: no HTTP, no files. What the calls and the settings do not say is an
`Assumption` with value, range, unit and source (`assumptions`), and every figure is computed over those ranges.
"""
