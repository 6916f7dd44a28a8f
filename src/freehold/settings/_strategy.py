"""What a company declares about its tasks and no log shows: where data may be, what is strategic, who is there."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Place = Annotated[str, msgspec.Meta(pattern=r"^(?!uk$)(eea|[a-z]{2})$", examples=["eu", "de", "gb"])]
"""`eu`, `eea`, or a country's two letters (ISO 3166, small); `uk`, which is none of these, would never be met."""
Frame = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]*$", examples=["hipaa"])]
"""A compliance frame by a name of the user's own choice: `hipaa`, `pci_dss`."""
Skill = Literal["gpu_serving", "training"]
Appetite = Literal["low", "medium", "high"]
Milliseconds = Annotated[float, msgspec.Meta(gt=0, le=1e9)]


class Strategy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Constraints and strategy, of one task or of all. None: nobody said, which is not the same as no.

    `residency`, `max_latency_ms`, `can_wait` and `skills` are hard: they remove options. So are `frames`, which leave
    open those whose contract nobody spoke of. The others explain; `appetite` says how sure an answer must be.
    `residency` empty: anywhere. `max_latency_ms`: the longest median time to the last byte. `can_wait`: whether every
    answer may come a day later, as those of a batch do; without a yes they may not. `skills`: who is on the team to run
    servers with GPUs, to train models; empty: nobody.
    """

    residency: tuple[Place, ...] | None = None
    frames: tuple[Frame, ...] | None = None
    max_latency_ms: Milliseconds | None = None
    can_wait: bool | None = None
    skills: tuple[Skill, ...] | None = None
    appetite: Appetite | None = None
    prototype: bool | None = None
    generic: bool | None = None
    core: bool | None = None
    niche: bool | None = None
    strategic: bool | None = None
