"""A kernel student that answers: numpy and the standard library, about a millisecond a call."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from freehold.vocabulary import Answer

from ._belonging import Centres
from ._grams import grams
from ._model import Vocabulary, Weights, parse
from ._names import Names, compared
from ._nets import MIN_ROWS, Nets, said
from ._signals import describe, expand, probabilities, standardise

F32 = NDArray[np.float32]


class Query(msgspec.Struct, frozen=True):
    """One input as numbers: features, direction in the latent space, and what is unseen.

    `company`, `company_value`: those features that the latent space does not know.
    `latent`, `latent_kept`: direction and length in the first dimensions alone, where nearness is measured.
    """

    index: NDArray[np.int64]
    value: F32
    company: NDArray[np.int64]
    company_value: F32
    direction: F32
    latent: F32
    latent_kept: float
    unseen: F32


class Found(msgspec.Struct, frozen=True):
    """Features of a query that are in the index, how many rows have each, and those rows, one feature after another."""

    value: F32
    length: NDArray[np.int64]
    row: NDArray[np.int32]
    product: F32


class KernelStudent:
    """Scores every class by similarity to remembered rows, and judges its own answer by the signals of `_signals`."""

    def __init__(self, vocabulary: Vocabulary, weights: Weights) -> None:
        self._answers = vocabulary.answers
        self._other = len(vocabulary.answers) if vocabulary.other else -1
        self._weights = weights
        self._n_slots = vocabulary.n_slots
        n_words, n_pairs = len(vocabulary.words), len(vocabulary.pairs)
        self._words = {gram: i for i, gram in enumerate(vocabulary.words)}
        self._pairs = {gram: i + n_words for i, gram in enumerate(vocabulary.pairs)}
        self._chars = {gram: i + n_words + n_pairs for i, gram in enumerate(vocabulary.chars)}
        self._company = {gram: i + len(weights.latent) for i, gram in enumerate(vocabulary.company)}
        self._row_class = weights.row_class.astype(np.int64)
        self._nets = Nets(weights.nets_inner, weights.nets_inner_bias, weights.nets_outer, weights.nets_outer_bias)
        self._centres = Centres(weights.whiten, weights.centres)
        self._names = Names(weights.name_columns, weights.name_weights)
        self._near_weight, self._latent_weight, self._unseen_idf, self._nets_share, company = map(float, weights.kernel)
        self._shares = np.sqrt([1 - company, company]).astype(np.float32)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> KernelStudent:
        """Build from `weights.safetensors` and `vocabulary.json`."""
        return cls(*parse(files))

    def answer(self, inputs: tuple[str, ...]) -> Answer:
        """Answer one call. An input without a single known gram gets confidence 0 and scope 0."""
        began = time.thread_time()
        scores, probability = self._judge(inputs)
        confidence, scope = float(probability[0]), float(probability[1])
        best = int(scores.argmax())
        if best == self._other:
            best, confidence = int(scores[: self._other].argmax()), 0.0
        return Answer(self._answers[best], confidence, scope, (time.thread_time() - began) * 1000)

    def answer_many(self, many: Sequence[tuple[str, ...]]) -> list[Answer]:
        """Answer several calls, one by one: the work of each fits the processor's cache."""
        return [self.answer(inputs) for inputs in many]

    def scores(self, inputs: tuple[str, ...]) -> F32:
        """The score of every class: what training compares with its own (the parity gate)."""
        return self._weigh(inputs)[0]

    def signals(self, inputs: tuple[str, ...]) -> F32:
        """The standardised signals of an input: what the gate is trained on."""
        return standardise(self._weigh(inputs)[1], self._weights.scaling)[0]

    def _judge(self, inputs: tuple[str, ...]) -> tuple[F32, NDArray[np.float64]]:
        scores, signals, known = self._weigh(inputs)
        if not known:
            return scores, np.zeros(2)
        standard = standardise(signals, self._weights.scaling)
        return scores, probabilities(expand(standard), self._weights.heads)[0]

    def _weigh(self, inputs: tuple[str, ...]) -> tuple[F32, F32, bool]:
        """Scores of the classes, signals, and whether anything in the input is known at all."""
        query = self._read(self._fitting(inputs))
        weights = self._weights
        found = self._look_up(query)
        near = np.bincount(found.row, found.product, len(self._row_class)).astype(np.float32)
        latent = weights.rows_latent @ query.latent
        both = self._near_weight + self._latent_weight
        similarity: F32 = ((self._near_weight * near + self._latent_weight * latent) / both).astype(np.float32)
        nets = said(self._nets.logits(query.direction[None, :]))
        ridge = np.exp(both * (similarity - 1)) @ weights.dual
        scores: F32 = ridge + np.float32(self._nets_share) * nets.probability[0]
        _, signals = describe(
            scores[None, :],
            similarity[None, :],
            np.array([[latent.max(), query.latent_kept]], np.float32),
            query.unseen[None, :],
            nets,
            self._belonging(query, found, scores),
            self._row_class,
            weights.class_stats,
        )
        return scores, signals, len(query.index) > 0

    def _fitting(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """The inputs with as many slots as in training: surplus ones joined to the last, missing ones empty."""
        n = self._n_slots
        if len(inputs) <= n:
            return inputs + ("",) * (n - len(inputs))
        return (*inputs[: n - 1], "\n".join(inputs[n - 1 :]))

    def _read(self, inputs: tuple[str, ...]) -> Query:
        words, pairs, chars, company = grams(inputs)
        seen_words = Counter(map(self._words.get, words))
        seen_chars = Counter(map(self._chars.get, chars))
        unseen_words, unseen_chars = seen_words.pop(None, 0), seen_chars.pop(None, 0)
        seen_pairs = Counter(map(self._pairs.get, pairs))
        seen_pairs.pop(None, 0)
        idf = self._weights.idf
        blocks: list[tuple[NDArray[np.int64], F32]] = []
        unseen = np.zeros(2, np.float32)
        for block, (counts, missing) in enumerate(((seen_words, unseen_words), (seen_chars, unseen_chars))):
            index = np.fromiter(counts.keys(), np.int64, len(counts))
            count = np.fromiter(counts.values(), np.float32, len(counts))
            known = float((count * idf[index]).sum())
            unseen[block] = missing * self._unseen_idf / max(known + missing * self._unseen_idf, 1e-9)
            blocks.append(_weighted(counts | seen_pairs if block == 0 else counts, idf))
        index = np.concatenate([index for index, _ in blocks])
        value = np.concatenate([value for _, value in blocks])
        projected: F32 = value @ self._weights.latent[index]
        near = projected[: self._weights.rows_latent.shape[1]]
        together = Counter(map(self._company.get, company))
        together.pop(None, 0)
        own, own_value = _weighted(together, idf)
        return Query(index, value, own, own_value, _unit(projected), _unit(near), float(np.linalg.norm(near)), unseen)

    def _look_up(self, query: Query) -> Found:
        """The remembered rows that share features with the query, of those features that tell rows apart."""
        weights = self._weights
        index = np.concatenate([query.index, query.company])
        start = weights.postings_start[index].astype(np.int64)
        length = weights.postings_start[index + 1] - start
        listed, n = length > 0, len(query.index)
        near = _unit(query.value * listed[:n]) * self._shares[0]
        value = _unit(np.concatenate([near, _unit(query.company_value * listed[n:]) * self._shares[1]])[listed])
        start, length = start[listed], length[listed]
        # One flat list of positions: each posting list's start, repeated, plus 0, 1, 2, ... within the list.
        offset = np.repeat(start - (np.cumsum(length) - length), length) + np.arange(length.sum())
        products = weights.postings_value[offset] * np.repeat(value, length)
        return Found(value, length, weights.postings_row[offset], products)

    def _belonging(self, query: Query, found: Found, scores: F32) -> F32:
        """[1, 5]: how well the query belongs to the class with the highest score, and to labels never taught."""
        said = scores[None, :].argmax(axis=1)
        nearness = self._names.nearness(query.index, query.value)
        named = compared(nearness[None, :], said, len(scores))[0]
        if len(self._row_class) < MIN_ROWS:
            return np.array([[0.0, 0.0, 0.0, *named]], np.float32)
        weight = found.value.astype(np.float64) ** 2
        feature = np.repeat(np.arange(len(weight)), found.length)
        have = np.bincount(feature, self._row_class[found.row] == said[0], len(weight))
        support = (weight * (have > 0)).sum(), (weight * have / found.length).sum()
        distance = self._centres.distance(query.direction[None, :], said)[0]
        return np.array([[*support, distance, *named]], np.float32)


def _weighted(counts: Counter[int | None], idf: F32) -> tuple[NDArray[np.int64], F32]:
    """Columns and unit weights of the grams of one block."""
    index = np.fromiter(counts.keys(), np.int64, len(counts))
    count = np.fromiter(counts.values(), np.float32, len(counts))
    return index, _unit(((1 + np.log(count)) * idf[index]).astype(np.float32))


def _unit(vector: F32) -> F32:
    norm = float(np.sqrt((vector * vector).sum()))
    return (vector / norm if norm > 0 else vector).astype(np.float32)
