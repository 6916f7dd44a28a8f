"""Recurring chains of calls: what they take, how their errors add up, and what can be promised of whole runs."""
