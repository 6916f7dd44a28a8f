"""Serving throughput that nobody measured, as NVIDIA's aiconfigurator estimates it from tables of measured kernels.

An extra, because it brings 850 MB: `pip install 'freehold[capacity]'`. It works offline and takes half a minute or more
for a model on a GPU. Against measured points its throughput is some 5 to 25 % off, its time to the first token some
half. A batch that does not fit it silently makes smaller: what counts here is what it says it did, not what was asked.
It knows some forty models and a dozen kinds of GPU.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from .gpus import Hardware
from .models import Point
from .serving import Measured, ServedModel

VERSION = "0.12.0"
"""What was tried: its interface changes from version to version, and the next one has another name."""

INSTALL = "pip install 'freehold[capacity]'"

MODELS = {
    "Llama-3.1-8B": "meta-llama/Meta-Llama-3.1-8B",
    "Llama-3.3-70B": "meta-llama/Meta-Llama-3.1-70B",  # the same shape
    "Qwen3-32B": "Qwen/Qwen3-32B",
    "gpt-oss-20b": "openai/gpt-oss-20b",
    "gpt-oss-120b": "openai/gpt-oss-120b",
}
"""Its names of models in the catalogue."""

GPUS = {
    "A100-80GB": "a100_sxm",
    "A100-80GB-PCIe": "a100_pcie",
    "B200-180GB": "b200_sxm",
    "H100-80GB": "h100_sxm",
    "H100-80GB-PCIe": "h100_pcie",
    "H200-141GB": "h200_sxm",
    "L4-24GB": "l4",
    "L40S-48GB": "l40s",
}
"""Its names of GPUs in the catalogue."""

_ENGINE = "vllm"
_SIZES = ((512, 128), (2048, 256))
_ASKED = (*((prompt, output, n) for prompt, output in _SIZES for n in (1, 16, 64)), (8192, 256, 8))
"""Prompt tokens, output tokens, sequences at once: enough to tell the parts of a step apart."""


def installed() -> bool:
    """Whether it is there to be asked."""
    return find_spec("aiconfigurator") is not None


def estimated(model: ServedModel, gpu: Hardware, gpus: int, bytes_per_parameter: float) -> Measured | None:
    """Estimated points of one replica; None where it is not installed, or knows that model or that GPU not.

    Args:
        model: of the catalogue.
        gpu: likewise.
        gpus: in one replica, joined by tensor parallelism.
        bytes_per_parameter: 2 for BF16, 1 for FP8; it is asked for no other.
    """
    path, system = MODELS.get(model.name), GPUS.get(gpu.name)
    if path is None or system is None or bytes_per_parameter not in (1, 2) or not installed():
        return None
    ask = _estimator()
    form = {"gemm_quant_mode": "fp8"} if bytes_per_parameter == 1 else {}
    points: list[Point] = []
    for prompt, output, sequences in _ASKED:
        sizes = {"isl": prompt, "osl": output, "batch_size": sequences}
        try:
            found = ask(path, system, mode="agg", backend_name=_ENGINE, tp_size=gpus, **sizes, **form)
        except Exception:  # noqa: BLE001, S112 - it raises many kinds where it has no table for a size; the rest stands
            continue
        point = _point(found, prompt, output)
        if point is not None:
            points.append(point)
    if not points:
        return None
    source = f"aiconfigurator {VERSION}, {path} on {system} with {_ENGINE}, {len(points)} estimates"
    return Measured(model.name, gpu.name, gpus, bytes_per_parameter, source, "2026-11-21", tuple(points))


def _estimator() -> Callable[..., Any]:
    """Its function; it logs and warns freely, which is nobody's business here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from aiconfigurator.cli.api import cli_estimate  # pyright: ignore[reportMissingImports]
    for name in ("aiconfigurator", "aiconfigurator_core"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return cli_estimate  # pyright: ignore[reportUnknownVariableType]


def _point(found: Any, prompt: int, output: int) -> Point | None:
    """A point with the sequences that it really held, whose requests a second are those that it states."""
    held, rate, tpot_ms = int(found.concurrency), float(found.seq_per_second), float(found.tpot)
    if not (held > 0 and rate > 0 and tpot_ms > 0 and math.isfinite(rate + tpot_ms)):
        return None
    ttft_ms = 1000 * held / rate - tpot_ms * (output - 1)  # by Little's law: its own time to the first token is unsound
    return Point(prompt, output, held, max(ttft_ms, 1.0), tpot_ms)
