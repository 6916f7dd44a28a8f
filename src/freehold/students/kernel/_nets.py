"""Small neural networks beside the ridge: another view of the latent space, wrong about other inputs than the ridge is.

One hidden layer each, one network per fold of the rows (cross-fitting): what a network says of the rows of its own fold
is what it says of rows it never saw, and all of them answer together. numpy only, on one core, so that the same rows
and seed give the same bytes. Training: Adam (Kingma and Ba 2015) with dropout (Srivastava 2014).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

N_FOLDS = 5
MIN_ROWS = 1_000
"""With fewer rows there are no networks: they learn too little from so few, and would take most of a fit's time."""
HIDDEN = 256
EPOCHS, BATCH = 25, 128
RATE, DECAY = 2e-3, 1e-4
DROP_INPUT, DROP_HIDDEN = 0.2, 0.5


class Nets(NamedTuple):
    """Weights of k networks: `inner` [k, D, H], `inner_bias` [k, H], `outer` [k, H, C], `outer_bias` [k, C]."""

    inner: F32
    inner_bias: F32
    outer: F32
    outer_bias: F32

    def logits(self, directions: F32) -> F32:
        """[k, m, C]: what each network says of unit vectors [m, D]."""
        hidden = np.maximum(_scaled(directions) @ self.inner + self.inner_bias[:, None, :], 0)
        return hidden @ self.outer + self.outer_bias[:, None, :]


class Said(NamedTuple):
    """What networks say of m inputs, averaged over them; `energy` [m] is how strongly any class is spoken for."""

    probability: F32
    log_probability: F32
    entropy: F32
    energy: F32


def said(logits: F32) -> Said:
    """Averages over the first axis of logits [k, m, C]; all zero where there are no networks.

    Entropy and energy are means of what single networks say, so that one held-out network and all of them together
    give numbers on one scale.
    """
    if len(logits) == 0:
        nothing = np.zeros(logits.shape[1:], np.float32)
        return Said(nothing, nothing, nothing[:, 0], nothing[:, 0])
    highest = logits.max(axis=2, keepdims=True)
    total = np.exp(logits - highest).sum(axis=2, keepdims=True)
    log_probability = logits - highest - np.log(total)
    probability = np.exp(log_probability)
    return Said(
        probability.mean(axis=0),
        log_probability.mean(axis=0),
        -(probability * log_probability).sum(axis=2).mean(axis=0),
        (highest + np.log(total))[:, :, 0].mean(axis=0),
    )


def cross_fit(directions: F32, row_class: I64, n_classes: int, seed: int) -> tuple[Nets, Said]:
    """The networks, and what is said of each row by the one that has not seen it."""
    n, width = directions.shape
    if n < MIN_ROWS:
        empty = (np.zeros(shape, np.float32) for shape in _shapes(0, width, n_classes))
        return Nets(*empty), said(np.zeros((0, n, n_classes), np.float32))
    inputs = _scaled(directions)
    fold = np.arange(n) % N_FOLDS
    parts = [_train(inputs[fold != f], row_class[fold != f], n_classes, seed + f) for f in range(N_FOLDS)]
    nets = Nets(*(np.stack(part) for part in zip(*parts, strict=True)))
    held_out = np.zeros((1, n, n_classes), np.float32)
    for f in range(N_FOLDS):
        alone = Nets(*(part[f : f + 1] for part in nets))
        held_out[0, fold == f] = alone.logits(directions[fold == f])[0]
    return nets, said(held_out)


def _shapes(k: int, width: int, n_classes: int) -> tuple[tuple[int, ...], ...]:
    return (k, width, HIDDEN), (k, HIDDEN), (k, HIDDEN, n_classes), (k, n_classes)


def _scaled(directions: F32) -> F32:
    """Unit vectors, with entries of size one."""
    return directions * np.float32(np.sqrt(directions.shape[1]))


def _train(inputs: F32, row_class: I64, n_classes: int, seed: int) -> list[F32]:
    """One network: cross-entropy, Adam with a rate that falls to zero, and weight decay."""
    rng = np.random.default_rng(seed)
    n, width = inputs.shape
    weights = [
        (rng.standard_normal((width, HIDDEN)) * np.sqrt(2 / width)).astype(np.float32),
        np.zeros(HIDDEN, np.float32),
        (rng.standard_normal((HIDDEN, n_classes)) * np.sqrt(1 / HIDDEN)).astype(np.float32),
        np.zeros(n_classes, np.float32),
    ]
    mean = [np.zeros_like(weight) for weight in weights]
    square = [np.zeros_like(weight) for weight in weights]
    per_epoch = -(-n // BATCH)
    n_steps = EPOCHS * per_epoch
    order = rng.permutation(n)
    for step in range(n_steps):
        at = step % per_epoch
        if at == 0:
            order = rng.permutation(n)
        rows = order[at * BATCH : (at + 1) * BATCH]
        gradients = _gradients(weights, inputs[rows], row_class[rows], rng)
        t = step + 1
        rate = np.float32(RATE * (1 - step / n_steps) * np.sqrt(1 - 0.999**t) / (1 - 0.9**t))
        for i, gradient in enumerate(gradients):
            mean[i] += np.float32(0.1) * (gradient - mean[i])
            square[i] += np.float32(0.001) * (gradient * gradient - square[i])
            weights[i] -= rate * mean[i] / (np.sqrt(square[i]) + np.float32(1e-8))
            weights[i] *= np.float32(1 - RATE * DECAY)
    return weights


def _gradients(weights: list[F32], inputs: F32, row_class: I64, rng: np.random.Generator) -> tuple[F32, ...]:
    """Of the mean cross-entropy of one batch, with inputs and hidden units dropped at random."""
    inner, inner_bias, outer, outer_bias = weights
    inputs = inputs * _kept(inputs.shape, DROP_INPUT, rng)
    hidden = inputs @ inner + inner_bias
    passed = (hidden > 0) * _kept(hidden.shape, DROP_HIDDEN, rng)
    hidden = hidden * passed
    logits = hidden @ outer + outer_bias
    delta = np.exp(logits - logits.max(axis=1, keepdims=True))
    delta /= delta.sum(axis=1, keepdims=True)
    delta[np.arange(len(delta)), row_class] -= 1
    delta /= np.float32(len(delta))
    below = (delta @ outer.T) * passed
    return inputs.T @ below, below.sum(axis=0), hidden.T @ delta, delta.sum(axis=0)


def _kept(shape: tuple[int, ...], share: float, rng: np.random.Generator) -> F32:
    """Dropout's mask: 0 for what is dropped, and more than 1 for the rest, so that sums stay as they are."""
    return (rng.random(shape, dtype=np.float32) >= share) * np.float32(1 / (1 - share))
