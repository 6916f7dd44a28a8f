"""How well an input belongs to the class said of it: what a new kind of input, near a known class, gives away.

Two measures: the share of its features that rows of the class have, too; and its distance from the centre of the class
in units of how rows scatter about their centres (a Mahalanobis distance with one covariance for all classes, as in
Lee et al. 2018).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

SHRINKAGE = 0.1
"""How much of the covariance is replaced by a round one: rows are few for as many dimensions."""


class Centres(NamedTuple):
    """`whiten` [D, D] takes unit vectors to where classes scatter evenly; `centres` [C, D] are class means there."""

    whiten: F32
    centres: F32

    def distance(self, directions: F32, classes: I64) -> F32:
        """[m]: of each unit vector from the centre of the class said of it."""
        return np.linalg.norm(directions @ self.whiten - self.centres[classes], axis=1).astype(np.float32)


class Features(NamedTuple):
    """Entries of sparse unit rows: the row and the column of each, and its value."""

    row: I64
    column: I64
    value: F32


def centres(directions: F32, row_class: I64, n_classes: int) -> Centres:
    """Class means and the common scatter about them."""
    n, width = directions.shape
    size = np.maximum(np.bincount(row_class, minlength=n_classes), 1)
    means = np.stack([np.bincount(row_class, directions[:, d], n_classes) / size for d in range(width)], axis=1)
    scatter = directions - means[row_class]
    covariance = scatter.T @ scatter / n
    evenly = np.trace(covariance) / width
    covariance = (1 - SHRINKAGE) * covariance + (SHRINKAGE * evenly + 1e-6) * np.eye(width)
    whiten = np.linalg.cholesky(np.linalg.inv(covariance))
    return Centres(whiten.astype(np.float32), (means @ whiten).astype(np.float32))


def left_out_distance(found: Centres, directions: F32, row_class: I64, said: I64) -> F32:
    """`Centres.distance` of training rows, each without its own part in the mean of its class."""
    size = np.bincount(row_class, minlength=len(found.centres))[said]
    grown = np.where(row_class == said, size / np.maximum(size - 1, 1), 1.0)
    return (found.distance(directions, said) * grown).astype(np.float32)


def left_out_support(features: Features, width: int, row_class: I64, said: I64, min_df: int) -> F32:
    """[n, 2]: how much of each training row, left out, the class `said` of it knows.

    First the share of its features, by weight, that any row of that class has; then, over its features, the mean share
    of the rows with the feature that are of that class.
    """
    row, column, value = features
    n, n_classes = len(row_class), int(row_class.max(initial=0)) + 1
    of_class = np.bincount(column * n_classes + row_class[row], minlength=width * n_classes)
    others = np.bincount(column, minlength=width)[column] - 1
    have = of_class[column * n_classes + said[row]] - (row_class == said)[row]
    weight = np.where(others >= min_df, value.astype(np.float64) ** 2, 0.0)
    total = np.maximum(np.bincount(row, weight, n), 1e-9)
    any_has = np.bincount(row, weight * (have > 0), n) / total
    typical = np.bincount(row, weight * have / np.maximum(others, 1), n) / total
    return np.stack([any_has, typical], axis=1).astype(np.float32)
