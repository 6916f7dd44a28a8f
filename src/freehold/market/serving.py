"""Open weights as machines see them, and what serving them measured: dated facts from `serving.toml`.

A measurement is of a closed loop of clients against one replica. Nothing here computes with it.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import msgspec

from freehold.errors import UsageError

from .models import Point


class ServedModel(msgspec.Struct, frozen=True):
    """What decides how fast open weights are: parameters in billions, and the size of their attention cache.

    `bytes` per parameter as the weights are published, where that is less than one; else 0: the server chooses.
    """

    name: str
    params: float
    active_params: float
    layers: int
    kv_heads: int
    head_dim: int
    source: str
    as_of: str
    experts: int = 0
    experts_used: int = 0
    bytes: float = 0

    @property
    def flops_per_token(self) -> float:
        """Of a forward pass, attention apart."""
        return 2e9 * self.active_params

    def weight_gb(self, bytes_per_parameter: float) -> float:
        """What the weights take up."""
        return self.params * bytes_per_parameter

    def cache_bytes(self, bytes_per_value: float = 2) -> float:
        """What one token takes up in the attention cache: keys and values of every layer."""
        return 2 * self.layers * self.kv_heads * self.head_dim * bytes_per_value


class Measured(msgspec.Struct, frozen=True):
    """Points of one model on one kind of replica."""

    model: str
    gpu: str
    gpus: int
    bytes: float
    source: str
    as_of: str
    points: tuple[Point, ...]


class _File(msgspec.Struct, frozen=True):
    model: tuple[ServedModel, ...]
    measured: tuple[Measured, ...]


def served_models() -> tuple[ServedModel, ...]:
    """Every model in the catalogue."""
    return _file().model


def served_model(name: str) -> ServedModel:
    """The model of that name, whatever its case.

    Raises:
        UsageError: the catalogue has no such model.
    """
    for one in _file().model:
        if one.name.lower() == name.lower():
            return one
    names = ", ".join(one.name for one in _file().model)
    raise UsageError(f"{name!r} is no model in the catalogue", hint=f"one of {names}")


def measured(model: str, gpu: str | None = None) -> tuple[Measured, ...]:
    """What was measured of a model, on one kind of GPU or on any."""
    return tuple(one for one in _file().measured if one.model == model and gpu in (None, one.gpu))


@cache
def _file() -> _File:
    text = files("freehold.market").joinpath("serving.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _File)
