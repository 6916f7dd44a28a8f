"""How sure a whole answer is: signs of doubt, weighed by a logistic fitted on rows the models had not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

SIGNS = (
    "tagger_log_probability",
    "heads_log_probability",
    "weakest_token",
    "weakest_span",
    "unknown_share",
    "unknown_copied_share",
    "n_spans",
    "log_n_tokens",
    "repeated",
    "usual_leaves",
)
"""What a prediction's evidence holds, in order."""


class Confidence(msgspec.Struct, frozen=True):
    """Logistic weights over standardised signs. Without weights: the product of the models' own probabilities."""

    weights: tuple[float, ...] = ()
    centre: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    intercept: float = 0.0

    def of(self, signs: Sequence[float]) -> float:
        """In [0, 1]."""
        if not self.weights:
            return math.exp(min(0.0, signs[0] + signs[1]))
        z = self.intercept
        for sign, centre, scale, weight in zip(signs, self.centre, self.scale, self.weights, strict=True):
            z += weight * (sign - centre) / scale
        return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, z))))
