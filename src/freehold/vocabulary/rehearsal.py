"""Another model tried on a task's own calls, and what came of it."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from .certificate import Interval


class Agreed(msgspec.Struct, frozen=True):
    """How many of `n` answers are the same as the recorded ones, under the task's loss."""

    n: int
    same: int
    interval: Interval

    @property
    def share(self) -> float:
        """Share that is the same; 0 where there is none."""
        return self.same / self.n if self.n else 0.0


class Paired(msgspec.Struct, frozen=True):
    """Two models on the same `n` calls that people answered: how many each has right.

    `worse`: calls on which today's model is right and the other one is not; `better`: the other way round.
    """

    n: int
    right: int
    today_right: int
    worse: int
    better: int
    interval: Interval
    today_interval: Interval


class Breach(msgspec.Struct, frozen=True):
    """One clause of the contract over the sample: how many answers it applies to, and how many break it.

    `recorded`: how many of the recorded answers to the same calls break it. `example`: a call whose new answer does.
    """

    clause: str
    rule: str
    n: int
    broken: int
    recorded: int
    example: str = ""


class Disagreement(msgspec.Struct, frozen=True):
    """One way in which answers differ from what they are compared with, how often, and a call where they do."""

    what: str
    n: int
    example: str


class Ratio(msgspec.Struct, frozen=True):
    """The other model's sum over today's on the same `n` calls, with a 95 % interval (normal approximation)."""

    value: float
    low: float
    high: float
    n: int


class Latency(msgspec.Struct, frozen=True):
    """Time to the last byte of `n` answers, in milliseconds."""

    n: int
    p50_ms: float
    p95_ms: float


class Rehearsal(msgspec.Struct, frozen=True):
    """What a rehearsal of `provider`/`model` on a task's calls measured.

    `today`: the model whose recorded answers it is compared with. `population`: recorded calls that could have been
    drawn; `wanted` were, and `answered` have an answer, of this or an earlier run. `refused`: calls that the model
    would not answer for what they are, which count as not as good. `failed`: nobody knows, and they count as nothing.
    `held_back`: calls that hold restricted text. `loss` is the scorer; `text` compares word by word, so that another
    wording counts as different: then `agreed` is a floor of the quality and no estimate. `gold` None: no call of the
    sample has a person's answer. `look`: how many samples of this model on these prompt versions had been looked at,
    this one included. `played`: a recording stood in for the provider. `spent_usd` is this run's; `usd_per_call` and
    `today_usd_per_call` price the same calls at today's prices, None where a price is unknown. `token_ratio` weighs
    `input_ratio` and `output_ratio` by what each costs at the other model's prices.
    """

    id: str
    task_id: str
    provider: str
    model: str
    today: str
    made_at: str
    seed: int
    population: int
    wanted: int
    answered: int
    refused: int
    failed: int
    held_back: int
    loss: str
    agreed: Agreed
    gold: Paired | None
    look: int
    sample: str
    template_ids: tuple[str, ...]
    contract_version: str
    calls_from_us: int
    calls_to_us: int
    breaches: tuple[Breach, ...]
    disagreements: tuple[Disagreement, ...]
    not_carried: dict[str, int]
    input_ratio: Ratio | None
    output_ratio: Ratio | None
    token_ratio: float | None
    latency: Latency | None
    today_latency: Latency | None
    spent_usd: Decimal | None
    usd_per_call: Decimal | None
    today_usd_per_call: Decimal | None
    played: bool = False
    errors: dict[str, int] = {}

    @property
    def name(self) -> str:
        """The model as it was asked for: `provider/model`."""
        return f"{self.provider}/{self.model}"
