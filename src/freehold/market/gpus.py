"""GPUs as their makers state them: memory, bandwidth, peak arithmetic. From `gpus.toml`, which says where from.

A peak is what no program reaches: whoever computes with it also needs a share of it that somebody measured.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import msgspec

from freehold.errors import UsageError


class Hardware(msgspec.Struct, frozen=True):
    """One kind of GPU. Peaks are dense; `fp8_tflops` 0: it has no such unit. `as_of`: year of the data sheet."""

    name: str
    aliases: tuple[str, ...]
    memory_gb: float
    bandwidth_gb_s: float
    bf16_tflops: float
    fp8_tflops: float
    watts: float
    source: str
    as_of: str

    def peak_flops(self, weight_bytes: float = 2) -> float:
        """FLOP/s of multiplying numbers of this size: 2 bytes BF16, 1 byte FP8 (BF16 where the chip has no FP8)."""
        return 1e12 * (self.fp8_tflops if weight_bytes <= 1 and self.fp8_tflops else self.bf16_tflops)


class _File(msgspec.Struct, frozen=True):
    gpu: tuple[Hardware, ...]


def all_hardware() -> tuple[Hardware, ...]:
    """Every GPU in the catalogue."""
    return _file().gpu


def known(name: str) -> Hardware | None:
    """The GPU of that name or alias, whatever its case; None where there is none."""
    return _by_name().get(name.lower())


def hardware(name: str) -> Hardware:
    """The GPU of that name or alias.

    Raises:
        UsageError: the catalogue has no such GPU.
    """
    found = known(name)
    if found is None:
        names = ", ".join(entry.name for entry in _file().gpu)
        raise UsageError(f"{name!r} is no GPU in the catalogue", hint=f"one of {names}")
    return found


@cache
def _by_name() -> dict[str, Hardware]:
    return {name.lower(): entry for entry in _file().gpu for name in (entry.name, *entry.aliases)}


@cache
def _file() -> _File:
    text = files("freehold.market").joinpath("gpus.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _File)
