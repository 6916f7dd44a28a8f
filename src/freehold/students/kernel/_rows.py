"""From examples to numbers: vocabulary, weighted features, latent space and similarities between training rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from ._grams import grams
from ._names import Names, no_names, words_of

F32 = NDArray[np.float32]
Sparse = Any
"""A SciPy sparse matrix in CSR form, whose stubs do not know what its methods return."""

N_LATENT = 200
"""Dimensions of the latent space: what the networks see."""
N_NEAR = 60
"""The first dimensions of it, where nearness is measured."""
NEAR_WEIGHT, LATENT_WEIGHT = 0.6, 0.5
"""Weights of the two similarities in the exponent of the kernel."""
COMPANY_SHARE = 1 / 3
"""How much of the first similarity, nearness in grams, company makes up."""
MAX_POSTINGS = 30_000
"""Mean number of index entries that an answer may touch: bounds the time of an answer."""
RARE_SHARE = 0.1
BLOCK = 1_000


class Rows:
    """Training rows as features, with everything that the similarities need.

    Columns: words, then pairs, then character n-grams, then company, each block sorted; the latent space knows the
    first three alone. `raw_*` keep the counts of words and character n-grams, those too rare for the vocabulary
    included, so that what a row alone brings is known.
    """

    def __init__(self, inputs: Sequence[tuple[str, ...]], seed: int) -> None:
        n = len(inputs)
        self._n_slots = len(inputs[0])
        self.min_df = 2 if n >= 1_000 else 1
        texts = [grams(one) for one in inputs]
        self.words, word_counts, self.raw_words = _count([text.words for text in texts], self.min_df)
        self.pairs, pair_counts, _ = _count([text.pairs for text in texts], self.min_df)
        self.chars, char_counts, self.raw_chars = _count([text.chars for text in texts], self.min_df)
        self.company, company_counts, _ = _count([text.company for text in texts], self.min_df)
        del texts
        lexical: Sparse = sparse.hstack([word_counts, pair_counts]).tocsr()
        df = np.concatenate([part.getnnz(axis=0) for part in (lexical, char_counts, company_counts)])
        self.idf = (np.log((1 + n) / (1 + df)) + 1).astype(np.float32)
        self.unseen_idf = float(np.log(1 + n) + 1)
        split, own = lexical.shape[1], lexical.shape[1] + char_counts.shape[1]
        self.features: Sparse = sparse.hstack(
            [_weighted(lexical, self.idf[:split]), _weighted(char_counts, self.idf[split:own])]
        ).tocsr()
        self.latent = _latent(self.features, seed)
        projected = np.asarray(self.features @ self.latent, np.float32)
        self.directions = _unit_rows(projected)
        self.latent_kept = np.linalg.norm(projected[:, :N_NEAR], axis=1)
        self.rows_latent = _unit_rows(projected[:, :N_NEAR])
        told = _tells_apart(df, n)
        near = _unit_sparse(self.features @ sparse.diags_array(told[:own]))
        company = _weighted(company_counts, self.idf[own:] * told[own:])
        shares = np.sqrt([1 - COMPANY_SHARE, COMPANY_SHARE]).astype(np.float32)
        self.rare = _unit_sparse(sparse.hstack([near * shares[0], company * shares[1]]))

    def similarity(self) -> F32:
        """[n, n]: the weighted mean of the two cosines, by blocks of rows."""
        n = self.rare.shape[0]
        out = np.empty((n, n), np.float32)
        transposed = self.rare.T.tocsr()
        both = NEAR_WEIGHT + LATENT_WEIGHT
        for start in range(0, n, BLOCK):
            rows = slice(start, start + BLOCK)
            near = (self.rare[rows] @ transposed).toarray()
            out[rows] = (NEAR_WEIGHT * near + LATENT_WEIGHT * (self.rows_latent[rows] @ self.rows_latent.T)) / both
        return out

    def unseen(self) -> F32:
        """[n, 2]: the share of each row's words and n-grams, by weight, that no other row brings."""
        return np.stack([self._unseen_share(self.raw_words), self._unseen_share(self.raw_chars)], axis=1)

    def names(self, classes: Sequence[str], untaught: Sequence[str]) -> Names:
        """The labels as features, each read in every slot; without labels never taught there is nothing to compare."""
        if not untaught:
            return no_names()
        texts = [grams((words_of(label),) * self._n_slots) for label in (*classes, *untaught)]
        lexical: Sparse = sparse.hstack(
            [_known([text.words for text in texts], self.words), _known([text.pairs for text in texts], self.pairs)]
        )
        chars = _known([text.chars for text in texts], self.chars)
        split, own = lexical.shape[1], lexical.shape[1] + chars.shape[1]
        blocks = [_weighted(lexical.tocsr(), self.idf[:split]), _weighted(chars, self.idf[split:own])]
        both: Sparse = sparse.hstack(blocks).tocsc()
        columns = np.flatnonzero(both.getnnz(axis=0))
        return Names(columns.astype(np.int32), (both[:, columns].T.toarray() / len(blocks)).astype(np.float32))

    def nearness(self, names: Names) -> F32:
        """[n, N]: of each row to each name."""
        return np.asarray(self.features[:, names.columns] @ names.weights, np.float32)

    def _unseen_share(self, raw: Sparse) -> F32:
        n = raw.shape[0]
        part = raw.tocoo()
        others = raw.getnnz(axis=0)[part.col] - 1
        known = others >= self.min_df
        weight = part.data * np.where(known, np.log((1 + n) / (1.0 + others)) + 1, self.unseen_idf)
        missing = np.bincount(part.row, np.where(known, 0.0, weight), n)
        return (missing / np.maximum(np.bincount(part.row, weight, n), 1e-9)).astype(np.float32)


def _count(rows: list[list[str]], min_df: int) -> tuple[list[str], Sparse, Sparse]:
    """The sorted grams that occur in at least `min_df` rows, their counts by row, and the counts of all grams."""
    flat = list(chain.from_iterable(rows))
    ids = {gram: i for i, gram in enumerate(dict.fromkeys(flat))}
    indices = np.fromiter(map(ids.__getitem__, flat), np.int32, len(flat))
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    shape = (len(rows), max(len(ids), 1))
    raw: Sparse = sparse.csr_matrix((np.ones(len(flat), np.float32), indices, indptr), shape=shape)
    raw.sum_duplicates()
    df = raw.getnnz(axis=0)
    kept = sorted(gram for gram, i in ids.items() if df[i] >= min_df)
    return kept, raw[:, [ids[gram] for gram in kept]].tocsr(), raw


def _known(rows: list[list[str]], kept: list[str]) -> Sparse:
    """Counts of the grams that are in a vocabulary, by row."""
    ids = {gram: i for i, gram in enumerate(kept)}
    found = [[ids[gram] for gram in row if gram in ids] for row in rows]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in found])])
    indices = np.fromiter(chain.from_iterable(found), np.int32, indptr[-1])
    counts: Sparse = sparse.csr_matrix((np.ones(len(indices), np.float32), indices, indptr), (len(rows), len(kept)))
    counts.sum_duplicates()
    return counts


def _weighted(counts: Sparse, idf: F32) -> Sparse:
    weighted = counts.copy()
    weighted.data = ((1 + np.log(counts.data)) * idf[counts.indices]).astype(np.float32)
    return _unit_sparse(weighted)


def _unit_sparse(rows: Sparse) -> Sparse:
    rows = sparse.csr_matrix(rows)
    rows.eliminate_zeros()
    norm = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    rows.data = (rows.data / np.repeat(np.where(norm > 0, norm, 1), np.diff(rows.indptr))).astype(np.float32)
    return rows


def _unit_rows(rows: F32) -> F32:
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(norm > 0, norm, 1)).astype(np.float32)


def _latent(features: Sparse, seed: int) -> F32:
    """Latent semantic analysis (Deerwester 1990): the first right singular vectors, by a randomised SVD."""
    size = min(N_LATENT, min(features.shape) - 1)
    if size < 1:
        return np.ones((features.shape[1], 1), np.float32)
    _, _, right = randomized_svd(features, size, n_iter=3, random_state=seed)  # pyright: ignore[reportArgumentType]
    # Half precision in the bundle; training goes on with what the runtime will read.
    return np.ascontiguousarray(right.T).astype(np.float16).astype(np.float32)


def _tells_apart(df: NDArray[np.int64], n: int) -> F32:
    """1 for features rare enough for the inverted index, the commonest left out until an answer is cheap enough."""
    order = np.argsort(df, kind="stable")
    touched = np.cumsum(df[order].astype(np.float64) ** 2) / n
    allowed = np.zeros(len(df), np.float32)
    allowed[order[touched <= MAX_POSTINGS]] = 1.0
    if n >= 200:  # In small sets a tenth of the rows is a handful, and every feature counts.
        allowed[df > RARE_SHARE * n] = 0.0
    return allowed
