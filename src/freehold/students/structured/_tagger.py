"""The tagger: a linear-chain conditional random field (Lafferty et al. 2001) through CRFsuite, and its training."""

from __future__ import annotations

import math
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from pycrfsuite import Tagger as CrfTagger  # pyright: ignore[reportAttributeAccessIssue]
from pycrfsuite import Trainer as CrfTrainer  # pyright: ignore[reportAttributeAccessIssue]

from freehold.errors import BundleRefused

from ._assembly import Span
from ._document import Document
from ._features import features
from ._lexicon import Lexicon, hints

C1, C2 = 0.05, 0.05
"""Weights of the L1 and L2 penalties, chosen on held-out rows: see design/structured-students.md."""
_MAGIC = b"lCRF"
_FLOOR = -30.0


class Tagged(msgspec.Struct, frozen=True):
    """The likeliest labelling, its log probability, and each span's and the weakest token's probability."""

    spans: list[Span]
    sure: list[float]
    log_probability: float
    weakest: float


class Tagger:
    """A trained model in memory."""

    def __init__(self, model: bytes) -> None:
        # CRFsuite trusts its input; a short or foreign file must not reach it.
        if len(model) < 48 or model[:4] != _MAGIC or struct.unpack_from("<I", model, 4)[0] != len(model):
            raise BundleRefused("a tagger's model is not a CRFsuite file, or is cut short")
        self._model = model  # The tagger reads from these bytes as long as it lives.
        self._tagger: Any = CrfTagger()
        self._tagger.open_inmemory(self._model)

    def tag(self, rows: list[list[str]]) -> Tagged:
        """Label one document."""
        if not rows:
            return Tagged([], [], 0.0, 1.0)
        self._tagger.set(rows)
        labels: list[str] = self._tagger.tag()
        sure = [float(self._tagger.marginal(label, i)) for i, label in enumerate(labels)]
        probability = float(self._tagger.probability(labels))
        spans = spans_of(labels)
        return Tagged(
            spans,
            [min(sure[span.first : span.last + 1]) for span in spans],
            math.log(probability) if probability > 0 else _FLOOR,
            min(sure),
        )


def labels_of(doc: Document, spans: Sequence[Span]) -> list[str]:
    """Begin, inside and outside labels of a document's tokens."""
    out = ["O"] * len(doc.words)
    for span in spans:
        out[span.first] = f"B{span.label}"
        out[span.first + 1 : span.last + 1] = [f"I{span.label}"] * (span.last - span.first)
    return out


def spans_of(labels: Sequence[str]) -> list[Span]:
    """The spans that labels mark. An inside label that continues nothing begins a span."""
    out: list[Span] = []
    for i, label in enumerate(labels):
        if label == "O":
            continue
        number = int(label[1:])
        if label[0] == "I" and out and out[-1].last == i - 1 and out[-1].label == number:
            out[-1] = Span(number, out[-1].first, i)
        else:
            out.append(Span(number, i, i))
    return out


def train_tagger(rows: Sequence[tuple[Document, Sequence[Span]]], lexicon: Lexicon, iterations: int) -> bytes:
    """Fit a tagger; the lexicon must have counted these rows. Deterministic: L-BFGS on one thread, no sampling.

    Returns b"" where no row has a span: there is nothing to tag.
    """
    if not any(spans for _, spans in rows):
        return b""
    trainer: Any = CrfTrainer(algorithm="lbfgs", verbose=False)
    trainer.set_params({"c1": C1, "c2": C2, "max_iterations": iterations, "feature.possible_transitions": False})
    for doc, spans in rows:
        if doc.words:
            trainer.append(features(doc, hints(doc, lexicon, spans)), labels_of(doc, spans))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.crfsuite"
        trainer.train(str(path))
        return path.read_bytes()
