"""What a kernel student's two files hold, and how they are read and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from freehold.errors import BundleRefused

WEIGHTS = "weights.safetensors"
VOCABULARY = "vocabulary.json"

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]


class Vocabulary(msgspec.Struct, frozen=True):
    """The words, pairs, character n-grams and company that are features, in column order; the answers, in class order.

    `other`: the last class stands for "some answer that is not listed"; it is never given as an answer.
    """

    words: list[str]
    pairs: list[str]
    chars: list[str]
    company: list[str]
    answers: list[str]
    other: bool
    n_slots: int


class Weights(msgspec.Struct, frozen=True):
    """The numbers of a kernel student, for n remembered rows, V features, D latent dimensions and C classes.

    `idf` [V]; `latent` [V less company, D] projects features; `rows_latent` [n, up to D] unit vectors in the first
    dimensions; `postings_*`: for each feature that is rare enough to tell rows apart, the rows that have it
    (`postings_start` [V+1] into `_row` and `_value`); `dual` [n, C]; `nets_*`: see `_nets.Nets`; `whiten` and
    `centres`: see `_belonging.Centres`; `name_*`: see `_names.Names`; `row_class` [n]; `class_stats` [5, C]:
    reliability, and typical score, nearness, support and distance; `heads` [2, F+1] and `scaling` [2, F]: the logistic
    heads for confidence and scope over standardised signals; `kernel` [5]: weights of the two similarities, the idf of
    a gram never seen, the weight of the networks, how much of nearness company makes up.
    """

    idf: F32
    latent: F32
    rows_latent: F32
    postings_start: I32
    postings_row: I32
    postings_value: F32
    dual: F32
    nets_inner: F32
    nets_inner_bias: F32
    nets_outer: F32
    nets_outer_bias: F32
    whiten: F32
    centres: F32
    name_columns: I32
    name_weights: F32
    row_class: I32
    class_stats: F32
    heads: F32
    scaling: F32
    kernel: F32


def dump(vocabulary: Vocabulary, weights: Weights) -> dict[str, bytes]:
    """The student's files."""
    tensors = {name: np.ascontiguousarray(getattr(weights, name)) for name in Weights.__struct_fields__}
    tensors["latent"] = tensors["latent"].astype(np.float16)  # Training has rounded it already.
    return {WEIGHTS: save_tensors(tensors), VOCABULARY: msgspec.json.encode(vocabulary)}


def parse(files: Mapping[str, bytes]) -> tuple[Vocabulary, Weights]:
    """Read the files that `dump` made.

    Raises:
        BundleRefused: a file cannot be read, or the two do not fit each other.
        KeyError: a file is missing.
    """
    try:
        vocabulary = msgspec.json.decode(files[VOCABULARY], type=Vocabulary)
        tensors = cast("dict[str, NDArray[np.generic]]", load_tensors(files[WEIGHTS]))
        weights = Weights(**{name: _wide(tensors[name]) for name in Weights.__struct_fields__})  # pyright: ignore[reportArgumentType]
    except (msgspec.DecodeError, SafetensorError) as error:
        raise BundleRefused(f"the student's files cannot be read: {error}") from None
    n_latent = len(vocabulary.words) + len(vocabulary.pairs) + len(vocabulary.chars)
    n_features = n_latent + len(vocabulary.company)
    n_rows, n_classes = weights.dual.shape
    if (len(weights.idf), len(weights.latent), len(weights.row_class)) != (n_features, n_latent, n_rows):
        raise BundleRefused("the student's vocabulary and weights do not fit each other")
    if n_classes != len(vocabulary.answers) + vocabulary.other:
        raise BundleRefused("the student's answers and weights do not fit each other")
    return vocabulary, weights


def _wide(tensor: NDArray[np.generic]) -> NDArray[np.generic]:
    """Half precision is for the file only."""
    return tensor.astype(np.float32) if tensor.dtype == np.float16 else tensor
