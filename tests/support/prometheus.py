"""A strict reader of Prometheus' text format (version 0.0.4): what it does not accept, a scraper may not either."""

from __future__ import annotations

import re

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (-?[0-9.eE+-]+|[+-]Inf|NaN)")
_ESCAPE = re.compile(r'\\(["\\n])')

Series = tuple[str, tuple[tuple[str, str], ...]]


def parse(text: bytes) -> dict[Series, float]:
    """Every sample by its name and labels, once the whole has been found valid."""
    assert text.endswith(b"\n")
    samples: dict[Series, float] = {}
    families: dict[str, str] = {}
    family = ""
    lines = text.decode("utf-8").removesuffix("\n").split("\n")
    for number, line in enumerate(lines):
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            assert re.fullmatch(_NAME, family)
            assert family not in families, f"{family} comes twice"
            assert lines[number + 1].startswith(f"# TYPE {family} "), "a type follows the help"
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family
            assert kind in ("counter", "gauge", "histogram")
            assert (kind == "counter") == name.endswith("_total")
            families[name] = kind
        else:
            series, value = _sample(line)
            assert series not in samples, f"{series} comes twice"
            ends = ("_bucket", "_sum", "_count") if families[family] == "histogram" else ("",)
            assert series[0] in [family + end for end in ends], f"{series[0]} stands under {family}"
            assert families[family] == "gauge" or value >= 0
            samples[series] = value
    for name, kind in families.items():
        assert any(series[0].startswith(name) for series in samples), f"{name} has no sample"
        if kind == "histogram":
            _check_histogram(name, samples)
    return samples


def _sample(line: str) -> tuple[Series, float]:
    found = _SAMPLE.fullmatch(line)
    assert found, f"no sample: {line!r}"
    name, inside, value = found.groups()
    labels: list[tuple[str, str]] = []
    at = 0
    while inside is not None and at < len(inside):
        label = _LABEL.match(inside, at)
        assert label, f"no labels: {inside!r}"
        labels.append((label[1], _ESCAPE.sub(lambda m: {"n": "\n"}.get(m[1], m[1]), label[2])))
        at = label.end()
    assert len({key for key, _ in labels}) == len(labels)
    return (name, tuple(labels)), float(value)


def _check_histogram(name: str, samples: dict[Series, float]) -> None:
    buckets: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    for (series, labels), value in samples.items():
        if series == f"{name}_bucket":
            bound = float(dict(labels)["le"])
            buckets.setdefault(tuple(pair for pair in labels if pair[0] != "le"), []).append((bound, value))
    for labels, found in buckets.items():
        bounds, counts = zip(*found, strict=True)
        assert list(bounds) == sorted(set(bounds)), "bounds rise"
        assert list(counts) == sorted(counts), "buckets are cumulative"
        assert bounds[-1] == float("inf")
        assert samples[f"{name}_count", labels] == counts[-1]
        assert (f"{name}_sum", labels) in samples
