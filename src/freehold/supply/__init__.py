"""What this installation is made of, and what is known against its parts.

Distributions, the libraries inside them, Python and what it is linked with; advisories in the OSV format; the files
that run when Python starts. Knows nothing of calls, tasks or owned models, and asks nobody unless it is told to.
"""
