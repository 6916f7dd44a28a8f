"""A linear student that answers: a dot product and a softmax. numpy and the standard library."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from freehold.errors import BundleRefused
from freehold.vocabulary import Answer

from ._grams import features

WEIGHTS, VOCABULARY = "linear/weights.safetensors", "linear/vocabulary.json"


class Vocabulary(msgspec.Struct, frozen=True):
    """The grams in column order, the answers in class order, and how many slots an input has."""

    grams: list[str]
    answers: list[str]
    n_slots: int


class LinearStudent:
    """Multinomial logistic regression over words. Confidence is the largest probability, scope the known share."""

    def __init__(
        self, vocabulary: Vocabulary, weight: NDArray[np.float32], bias: NDArray[np.float32], idf: NDArray[np.float32]
    ) -> None:
        self._answers, self._n_slots = vocabulary.answers, vocabulary.n_slots
        self._columns = {gram: column for column, gram in enumerate(vocabulary.grams)}
        self._idf = dict(enumerate(idf.astype(float).tolist()))
        self._weight, self._bias = weight, bias

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> LinearStudent:
        """Build from the two files of a linear student."""
        try:
            tensors = load(files[WEIGHTS])
            vocabulary = msgspec.json.decode(files[VOCABULARY], type=Vocabulary)
            student = cls(vocabulary, tensors["weight"], tensors["bias"], tensors["idf"])
        except (SafetensorError, msgspec.DecodeError) as error:
            raise BundleRefused(f"a linear student's files cannot be read: {error}") from None
        if tensors["weight"].shape != (len(vocabulary.grams), len(vocabulary.answers)):
            raise BundleRefused("a linear student's weights do not fit its vocabulary")
        return student

    def answer(self, inputs: tuple[str, ...]) -> Answer:
        """Answer one call."""
        began = time.thread_time()
        probability, known = self.judge(inputs)
        best = int(probability.argmax())
        return Answer(self._answers[best], float(probability[best]), known, (time.thread_time() - began) * 1000)

    def answer_many(self, many: Sequence[tuple[str, ...]]) -> list[Answer]:
        """Answer several calls, one by one."""
        return [self.answer(inputs) for inputs in many]

    def judge(self, inputs: tuple[str, ...]) -> tuple[NDArray[np.float64], float]:
        """The probability of every class, and the share of the input that is known."""
        values, known = features(self._fitting(inputs), self._columns, self._idf)
        index = np.fromiter(values.keys(), np.int64, len(values))
        value = np.fromiter(values.values(), np.float64, len(values))
        logits = value @ self._weight[index].astype(np.float64) + self._bias
        odds = np.exp(logits - logits.max())
        return odds / odds.sum(), known

    def _fitting(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        n = self._n_slots
        if len(inputs) <= n:
            return inputs + ("",) * (n - len(inputs))
        return (*inputs[: n - 1], "\n".join(inputs[n - 1 :]))
