"""Texts that nearly repeat others: MinHash (Broder 1997, by rensa) finds candidates, the Jaccard index decides."""

from __future__ import annotations

from typing import Final

NUM_PERM: Final = 128
BANDS: Final = 16
"""128 hashes in 16 bands of 8: pairs at 0.9 likeness are candidates with probability 0.9999, at 0.8 with 0.95."""

SHINGLE: Final = 5
"""Characters in a row that two texts are compared by."""


class NearRepeats:
    """Texts so far, none of them near another.

    Two texts are near if the Jaccard index of their runs of five characters is `likeness` or more. MinHash misses
    few pairs above 0.9, and more below. Memory grows with the texts kept.
    """

    def __init__(self, likeness: float) -> None:
        from rensa import RMinHashLSH  # pyright: ignore[reportAttributeAccessIssue]

        self._likeness = likeness
        self._index = RMinHashLSH(threshold=likeness, num_perm=NUM_PERM, num_bands=BANDS)
        self._shingles: list[frozenset[str]] = []

    def near(self, text: str) -> bool:
        """Whether a text is near one that was kept; if not, it is kept."""
        from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue]

        own = frozenset(text[i : i + SHINGLE] for i in range(max(1, len(text) - SHINGLE + 1)))
        sketch = RMinHash(num_perm=NUM_PERM, seed=1)
        sketch.update(sorted(own))
        if any(_jaccard(own, self._shingles[other]) >= self._likeness for other in self._index.query(sketch)):
            return True
        self._index.insert(len(self._shingles), sketch)
        self._shingles.append(own)
        return False


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b)
