"""Kernel ridge regression with exact leave-one-out predictions.

One inverse of the regularised kernel gives the model and what it would have said of every row without that row
(Rasmussen and Williams 2006, section 5.4.2), so confidence is learned from honest held-out scores at no further fit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import spotrf, spotri  # pyright: ignore[reportAttributeAccessIssue]

F32 = NDArray[np.float32]

RIDGES = (0.05, 0.1, 0.2, 0.8, 3.0)
PROBE_ROWS = 2_000


class Ridge:
    """A fitted kernel ridge regression on one-against-rest targets.

    `kernel` is taken over: it is overwritten by the inverse.
    """

    def __init__(self, kernel: F32, target: F32, ridge: float) -> None:
        self._target = target
        kernel[np.diag_indices(len(kernel))] += ridge
        # Transposed, a C-ordered symmetric matrix is Fortran-ordered: LAPACK works in place.
        factor, failed = spotrf(kernel.T, lower=1, overwrite_a=1)
        if failed == 0:
            factor, failed = spotri(factor, lower=1, overwrite_c=1)
        assert failed == 0, "a kernel plus a ridge is positive definite"
        self._inverse = _mirrored(factor)
        self.dual: F32 = self._inverse @ target

    def leave_one_out(self) -> F32:
        """[n, C]: scores of each row by the model of all other rows."""
        return (self._target - self.dual / np.diag(self._inverse)[:, None]).astype(np.float32)


def targets(row_class: NDArray[np.int64], n_classes: int) -> F32:
    """[n, C]: 1 for the row's class, 0 for others, less the mean of a row."""
    out = np.full((len(row_class), n_classes), -1 / n_classes, np.float32)
    out[np.arange(len(row_class)), row_class] += 1
    return out


def choose_ridge(similarity: F32, row_class: NDArray[np.int64], n_classes: int, both: float) -> float:
    """The ridge whose leave-one-out answers are right most often, on the first rows; ties go to the larger."""
    rows = slice(0, PROBE_ROWS)
    target, truth = targets(row_class[rows], n_classes), row_class[rows]
    kernel = np.exp(both * (similarity[rows, rows] - 1))
    right = [
        float((Ridge(kernel.copy(), target, ridge).leave_one_out().argmax(axis=1) == truth).mean()) for ridge in RIDGES
    ]
    return max(zip(right, RIDGES, strict=True))[1]


def _mirrored(lower: F32, block: int = 1_000) -> F32:
    """A symmetric matrix from its lower triangle, in place and by blocks: no second matrix of that size."""
    n = len(lower)
    for start in range(0, n, block):
        stop = min(start + block, n)
        square = lower[start:stop, start:stop]
        lower[start:stop, start:stop] = np.tril(square) + np.tril(square, -1).T
        lower[start:stop, stop:] = lower[stop:, start:stop].T
    return lower
