"""One audit: the rented model is asked what an owned model has already answered, and the two are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from freehold.vocabulary import Leg
from freehold.wire.dialects import Dialect

from ._answers import differs, judged
from ._exchange import Headers
from ._owned_turn import OwnedTurn
from ._rental import Rental, Wanted
from ._targets import Target
from ._try import Rented

if TYPE_CHECKING:
    from .app import Gateway


class Audit:
    """The audience of an audit: nobody waits for it but the call's record.

    Args:
        gateway: whose audit book takes the result.
        turn: the owned model's answer.
        dialect: the call's.
        over: called once, when the rented model has answered or will not.
    """

    __slots__ = ("_dialect", "_gateway", "_over", "_rental", "_turn")

    def __init__(self, gateway: Gateway, turn: OwnedTurn, dialect: Dialect, over: Callable[[], None]) -> None:
        self._gateway = gateway
        self._turn = turn
        self._dialect = dialect
        self._over = over
        self._rental: Rental | None = None

    @property
    def legs(self) -> list[Leg]:
        """The rented side's legs."""
        return self._rental.legs if self._rental is not None else []

    def start(self, wanted: Wanted, targets: Sequence[Target], began: float) -> None:
        """Ask the rented model."""
        rental = self._rental = Rental(self._gateway.terms, wanted, self)
        rental.start(targets, began)

    def give_up(self) -> None:
        """Nobody will hear the answer."""
        if self._rental is not None:
            self._rental.cancel()

    def streaming(self, headers: Headers, data: bytes, *, first: bool) -> None:
        """A provider that streams although it was not asked to."""

    def rented(self, result: Rented, tail: bytes) -> None:  # noqa: ARG002 -- nobody is owed these bytes
        """The rented model's answer has come, or will not."""
        turn = self._turn
        assert turn.answer is not None
        rented = self._dialect.answer_text(result.body) if result.outcome == "ok" else None
        wrong = differs(turn.route.loss, turn.answer.text, rented) if rented is not None else None
        self._gateway.audited(turn.route, wrong)
        if self.legs:  # none where nobody could be asked
            self.legs[-1] = judged(self.legs[-1], rented, wrong)
        self._over()

    def crashed(self, fault: Exception) -> None:  # noqa: ARG002 -- counted, and nothing else can be done
        """A fault of our own: the call is recorded without it."""
        self._gateway.metrics.internal_errors += 1
        self._over()
