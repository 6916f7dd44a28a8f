"""The structured student at work: numpy, CRFsuite and the standard library, nothing else.

Deterministic and single-threaded. It copies values word for word from the input, or takes them from closed sets: it
cannot write a value that it has neither seen nor been given. A student is not safe for use by several threads at once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
import numpy as np
import safetensors
from safetensors.numpy import load as load_tensors

from freehold.errors import BundleRefused
from freehold.vocabulary import Answer

from ._answers import Json
from ._assembly import Span, compose, copied_values
from ._confidence import Confidence
from ._document import Document, document
from ._features import features
from ._lexicon import Hints, Lexicon, hints
from ._linear import Head, Heads, best_class
from ._plan import COPIED, OTHER, Plan
from ._scope import Scope, scope_of
from ._tagger import Tagged, Tagger

FOLDER = "structured"
STUDENT, LEXICON, SCOPE = f"{FOLDER}/student.json", f"{FOLDER}/lexicon.json", f"{FOLDER}/scope.json"
VOCABULARY, WEIGHTS = f"{FOLDER}/vocabulary.json", f"{FOLDER}/heads.safetensors"
MAX_CHARS = 100_000
"""Longer inputs are cut here before anything is computed, and answered with confidence 0."""

T = TypeVar("T")


def tagger_file(part: int) -> str:
    """Path of a part's tagger inside the bundle."""
    return f"{FOLDER}/tagger-{part}.crfsuite"


class Part(msgspec.Struct, frozen=True):
    """What answers for one value of the discriminator.

    `fixed` are leaves that never vary here, by index; `heads` decide the others; `leaf_sets` counts which leaves were
    copied together, as indexes joined by commas; `n` rows were learned from.
    """

    tagged: bool
    fixed: dict[int, str]
    heads: tuple[Head, ...]
    leaf_sets: dict[str, int]
    n: int


class Description(msgspec.Struct, frozen=True):
    """What `student.json` holds."""

    plan: Plan
    parts: tuple[Part, ...]
    discriminator: Head | None
    confidence: Confidence


class Prediction(msgspec.Struct, frozen=True):
    """An answer before it is text: `value` means nothing where `possible` is False.

    `signs` are what confidence is computed from; `seen` are the training inputs that held each token's word.
    """

    value: Json
    possible: bool
    signs: tuple[float, ...]
    doc: Document
    seen: list[int]


class StructuredStudent:
    """Answers in JSON. Confidence 0 marks inputs that it knows it cannot answer."""

    def __init__(
        self, about: Description, lexicon: Lexicon, scope: Scope, heads: Heads | None, taggers: dict[int, Tagger]
    ) -> None:
        self._about, self._plan = about, about.plan
        self._lexicon, self._scope, self._heads, self._taggers = lexicon, scope, heads, taggers
        self._headings, self._context = frozenset(about.plan.headings), frozenset(about.plan.context)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> StructuredStudent:
        """Build from the trainer's files.

        Raises:
            BundleRefused: a file is missing or is not what it should be.
        """
        about = _decode(files, STUDENT, Description)
        heads = None
        if about.discriminator or any(part.heads for part in about.parts):
            heads = _heads(files)
        taggers = {n: Tagger(_file(files, tagger_file(n))) for n, part in enumerate(about.parts) if part.tagged}
        return cls(about, _decode(files, LEXICON, Lexicon), _decode(files, SCOPE, Scope), heads, taggers)

    def answer(self, inputs: tuple[str, ...]) -> Answer:
        """Answer one call."""
        began = time.thread_time()
        inputs, cut = prepared(inputs)
        made = self.predict(inputs)
        text = self._plan.style.write(made.value) if made.possible else ""
        confidence = self._about.confidence.of(made.signs) if made.possible and not cut else 0.0
        scope = 0.0 if cut else scope_of(self._scope, made.doc, made.seen)
        return Answer(text, confidence, scope, (time.thread_time() - began) * 1000)

    def answer_many(self, many: Sequence[tuple[str, ...]]) -> list[Answer]:
        """Answer several calls, one by one."""
        return [self.answer(inputs) for inputs in many]

    def predict(self, inputs: tuple[str, ...]) -> Prediction:
        """The answer as a value, with the signs that confidence is computed from."""
        plan = self._plan
        doc = document(inputs, plan.level, self._headings, self._context)
        scores = self._heads.score(doc, plan.level) if self._heads else None
        classes: dict[int, str] = {}
        certainty, part = 0.0, 0
        if self._about.discriminator and scores is not None:
            head = self._about.discriminator
            classes[head.leaf], certainty = best_class(head, scores)
            part = plan.parts[classes[head.leaf]]
        model = self._about.parts[part]
        hinted = hints(doc, self._lexicon, None)
        tagged = Tagged([], [], 0.0, 1.0)
        if part in self._taggers:
            tagged = self._taggers[part].tag(features(doc, hinted))
        spans, repeated = self._single(tagged)
        copied_leaves = {leaf for span in spans for leaf in plan.labels[span.label]}
        classes.update(model.fixed)
        for head in model.heads:
            copied = plan.leaves[head.leaf].role == "copied"
            if scores is not None and not (copied and head.leaf in copied_leaves):
                classes[head.leaf], sure = best_class(head, scores)
                certainty += sure
        signs = _signs(model, tagged, spans, hinted, copied_leaves, certainty=certainty, repeated=repeated)
        impossible = doc.cut or any(
            text == OTHER or (text == COPIED and leaf not in copied_leaves) for leaf, text in classes.items()
        )
        try:
            value = compose(plan, copied_values(plan, doc, spans), classes)
        except ValueError:
            return Prediction(None, False, signs, doc, hinted.seen)
        return Prediction(value, not impossible, signs, doc, hinted.seen)

    def _single(self, tagged: Tagged) -> tuple[list[Span], bool]:
        """The spans, the surest one alone where a leaf never holds several; and whether any was dropped."""
        kept: list[Span] = []
        held: set[int] = set()
        order = sorted(range(len(tagged.spans)), key=lambda i: (-tagged.sure[i], i))
        for i in order:
            span = tagged.spans[i]
            single = {leaf for leaf in self._plan.labels[span.label] if self._plan.leaves[leaf].many == "never"}
            if held.isdisjoint(single):
                kept.append(span)
                held |= single
        return sorted(kept, key=lambda span: span.first), len(kept) < len(tagged.spans)


def _signs(
    part: Part,
    tagged: Tagged,
    spans: Sequence[Span],
    hinted: Hints,
    copied: set[int],
    *,
    certainty: float,
    repeated: bool,
) -> tuple[float, ...]:
    """See `_confidence.SIGNS`."""
    n = len(hinted.seen)
    inside = [i for span in spans for i in range(span.first, span.last + 1)]
    usual = part.leaf_sets.get(leaf_set(copied), 0)
    return (
        tagged.log_probability,
        certainty,
        math.log(max(tagged.weakest, 1e-6)),
        math.log(max(min(tagged.sure, default=1.0), 1e-6)),
        sum(seen == 0 for seen in hinted.seen) / max(1, n),
        sum(hinted.seen[i] == 0 for i in inside) / max(1, len(inside)),
        float(min(len(spans), 10)),
        math.log1p(n),
        float(repeated),
        math.log((usual + 0.5) / (part.n + 1.0)),
    )


def leaf_set(leaves: set[int]) -> str:
    """A key for a set of leaves."""
    return ",".join(map(str, sorted(leaves)))


def prepared(inputs: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    """The inputs as they are read, in training and in service alike, and whether they were cut.

    Lone surrogates, which no encoder takes, become "?".
    """
    readable = tuple(text if text.isascii() else text.encode("utf-8", "replace").decode() for text in inputs)
    if sum(map(len, readable)) <= MAX_CHARS:
        return readable, False
    out: list[str] = []
    left = MAX_CHARS
    for text in readable:
        out.append(text[:left])
        left -= len(out[-1])
    return tuple(out), True


def _heads(files: Mapping[str, bytes]) -> Heads:
    try:
        tensors = load_tensors(_file(files, WEIGHTS))
        names = _decode(files, VOCABULARY, list[str])
        idf, weights = tensors["idf"], tensors["weights"]
    except (safetensors.SafetensorError, KeyError) as error:
        raise BundleRefused(f"{WEIGHTS} cannot be read: {error}") from None
    if idf.shape != (len(names),) or weights.shape[:1] != (len(names) + 1,) or idf.dtype != np.float32:
        raise BundleRefused(f"{WEIGHTS} does not fit {VOCABULARY}")
    return Heads({name: i for i, name in enumerate(names)}, idf, weights)


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    try:
        return files[name]
    except KeyError:
        raise BundleRefused(f"the bundle lacks {name}", code="bundle_incomplete") from None


def _decode(files: Mapping[str, bytes], name: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(_file(files, name), type=kind)
    except msgspec.DecodeError as error:
        raise BundleRefused(f"{name} cannot be read: {error}") from None
