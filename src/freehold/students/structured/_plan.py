"""What a structured student knows about its answers: the plan that a trainer learns and a runtime follows."""

from __future__ import annotations

from typing import Literal

import msgspec

from ._answers import Path, Style

ABSENT = ""
"""The class of a closed leaf that is not there. No JSON value has this text."""
COPIED = "<copied>"
"""The class of a leaf whose value is copied from the input: the tagger says from where."""
OTHER = "<other>"
"""The class of values that cannot be produced. An answer that needs one has confidence 0."""


class Leaf(msgspec.Struct, frozen=True):
    """One leaf of the answers.

    `role`: `copied` values come from the input through `transform`; `closed` ones from `classes`. `many`: `never` a
    list, a list only where there are `several`, or `always` one. `classes` holds the canonical JSON of closed values,
    and of what a copied leaf holds where nothing is copied, commonest first; it may hold ABSENT, COPIED and OTHER.
    `n` answers hold the leaf.
    """

    path: Path
    role: Literal["copied", "closed"]
    transform: str
    many: Literal["never", "several", "always"]
    classes: tuple[str, ...]
    n: int


class Container(msgspec.Struct, frozen=True):
    """An object or list that other leaves live in, and what stands in its place when it has none (ABSENT: nothing)."""

    path: Path
    when_empty: str


class Plan(msgspec.Struct, frozen=True):
    """Everything learned by looking at answers, before any statistics.

    `leaves` are in the order in which keys are written; with `by_position`, copied leaves come in the order of their
    surfaces instead. `labels` are what a span of tokens can mean: indexes of the leaves that share it. `discriminator`
    is the closed leaf whose value decides which part answers (-1: there is one part), and `parts` maps its classes to
    parts. `headings` are beginnings of lines ("Subject:") that tell what a line is; `context` are the headings of
    lines that nothing is ever copied from, and whose words matter to the rest. `level` is that of `_tokens`.
    """

    leaves: tuple[Leaf, ...]
    containers: tuple[Container, ...]
    labels: tuple[tuple[int, ...], ...]
    level: int
    style: Style
    by_position: bool
    discriminator: int
    parts: dict[str, int]
    headings: tuple[str, ...]
    context: tuple[str, ...]
    n_rows: int
    n_explained: int

    @property
    def n_parts(self) -> int:
        """How many parts there are."""
        return 1 + max(self.parts.values(), default=0)

    @property
    def reach(self) -> float:
        """Share of the teacher's answers that this plan could have produced at all."""
        return self.n_explained / self.n_rows if self.n_rows else 0.0
