"""Charts of the report, as Vega-Lite specifications drawn to SVG without a browser or a network.

One colour per kind of answer, everywhere; a broken line is an option whose answers nobody has measured. A page may give
the colours other values by their attribute (`report.css` does, in the dark).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import vl_convert

from freehold.verdict.outlook import Cash, Curve, Outlook
from freehold.vocabulary import Option, Range, Risk, VerdictWord

INK, SOFT, GRID = "#1d2421", "#5d6a64", "#dfe2db"
_OWN, _RENT = "#1f6f54", "#b4622a"
COLOURS: dict[VerdictWord, tuple[str, str]] = {
    "keep_renting": ("rent as today", _RENT),
    "rent_smaller": ("rent a smaller model", "#b08a1e"),
    "rent_open_weights": ("rent open weights", "#3b6fa5"),
    "fine_tune_hosted": ("fine-tune at the provider", "#a3577c"),
    "host_open_weights": ("host open weights", "#6a51a3"),
    "own_student": ("own a student", _OWN),
    "fine_tune_own": ("fine-tune an open model", "#2a8391"),
    "train_from_scratch": ("train from scratch", "#4d5560"),
}
"""What a kind of answer is called in a legend, and its colour: apart for people who see no red or no green, too."""
LEANER = ("rent the same, used otherwise", "#7c3a12")
"""The same for today's model with its prompts cached or in batches."""

WIDTH = 740
_BARS = 8
_SHORT = {"type": "log", "nice": False}
# Amounts as people say them; d3's own prefixes write a milliard as G, and a tenth of a dollar as $100m.
_ENGLISH = "abs(datum.value) < 1 ? format(datum.value, '{0}~f') : replace(format(datum.value, '{0}.2~s'), 'G', 'B')"
_USD = _ENGLISH.format("$")
_COUNT = _ENGLISH.format("")


class Bill(NamedTuple):
    """A task's month as it is rented and as its answer has it."""

    name: str
    now: Range
    then: Range


class TornadoBar(NamedTuple):
    """One input in words, with the lead at either end of its range."""

    name: str
    low: str
    high: str
    at_low_usd: float
    at_high_usd: float


def bills_chart(bills: Sequence[Bill]) -> str:
    """Each task's month, now and with its answer: the middle as a point, P10 to P90 as a line."""
    rows = [
        {"task": bill.name, "when": when, "low": float(r.low), "mid": float(r.mid), "high": float(r.high)}
        for bill in bills
        for when, r in (("now", bill.now), ("with the answer", bill.then))
    ]
    colour = _colour("when", {"now": _RENT, "with the answer": _OWN})
    y = {"field": "task", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 240}}
    return _svg(
        {
            "width": WIDTH - 190,
            "height": {"step": 13},
            "data": {"values": rows},
            "encoding": {"y": y, "yOffset": {"field": "when", "sort": ["now", "with the answer"]}, "color": colour},
            "layer": _points(_money_axis(rows), "mid"),
        }
    )


def options_chart(options: Sequence[Option]) -> str:
    """Each option's first month: the middle as a point, P10 to P90 as a line; "" where there are fewer than two."""
    shown = [option for option in options if option.allowed]
    if len(shown) < 2:
        return ""
    rows = [
        {
            "option": option.name,
            "low": float(option.monthly_usd.low),
            "mid": float(option.monthly_usd.mid),
            "high": float(option.monthly_usd.high),
            "kind": _look(option)[0],
        }
        for option in shown
    ]
    y = {"field": "option", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 300}}
    return _svg(
        {
            "width": WIDTH - 260,
            "height": {"step": 21},
            "data": {"values": rows},
            "encoding": {"y": y, "color": _colour("kind", _kinds(shown), legend=False)},
            "layer": _points(_money_axis(rows), "mid"),
        }
    )


def crossover_chart(outlook: Outlook) -> str:
    """Cost a month by volume, a line per option with its band, where it crosses renting, and today."""
    kinds = _kinds([curve.option for curve in outlook.curves])
    lines: list[dict[str, Any]] = []
    bands: list[dict[str, Any]] = []
    for curve in outlook.curves:
        common = {"kind": _look(curve.option)[0], "measured": curve.option.quality != "unknown"}
        lines += [{"calls": p.calls, "usd": p.usd, **common} for p in curve.line if p.usd > 0]
        bands += [{"calls": p.at, "low": p.low, "high": p.high, **common} for p in curve.band if p.low > 0]
    x = {
        "field": "calls",
        "type": "quantitative",
        "scale": {**_SHORT, "domain": [lines[0]["calls"], lines[-1]["calls"]]},
        "title": "calls a month",
        "axis": {"labelExpr": _COUNT, "values": _decades(lines[0]["calls"], lines[-1]["calls"])},
    }
    low, high = min(row["low"] for row in bands), max(row["high"] for row in bands)
    scale = {**_SHORT, "domain": [low, high]}
    y = {
        "type": "quantitative",
        "scale": scale,
        "title": "US dollars a month",
        "axis": {"labelExpr": _USD, "values": _decades(low, high)},
    }
    colour = _colour("kind", kinds)
    dash = {
        "field": "measured",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": [True, False], "range": [[1, 0], [5, 4]]},
    }
    return _svg(
        {
            "width": WIDTH - 70,
            "height": 250,
            "layer": [
                *_today(outlook, x),
                {
                    "data": {"values": bands},
                    "mark": {"type": "area", "opacity": 0.13},
                    "encoding": {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}, "color": colour},
                },
                {
                    "data": {"values": lines},
                    "mark": {"type": "line", "strokeWidth": 2},
                    "encoding": {"x": x, "y": {"field": "usd", **y}, "color": colour, "strokeDash": dash},
                },
                *_crossings(outlook.curves, x, y, colour),
            ],
        }
    )


def cash_chart(cash: Cash) -> str:
    """What an option has saved over renting, month by month, with its band; below zero it has not paid back."""
    rows = [point._asdict() for point in cash.months]
    word, colour = _look(cash.option)
    x = {"field": "at", "type": "quantitative", "title": "months from now", "axis": {"tickCount": 8, "grid": False}}
    y = {"type": "quantitative", "title": "US dollars saved so far", "axis": {"labelExpr": _USD, "tickCount": 5}}
    band = {"low": {"field": "low", **y}, "high": {"field": "high"}}
    return _svg(
        {
            "width": WIDTH - 70,
            "height": 190,
            "data": {"values": rows},
            "title": _title(f"{word}, against renting as today"),
            "layer": [
                {
                    "mark": {"type": "area", "opacity": 0.16, "color": colour},
                    "encoding": {"x": x, "y": band["low"], "y2": band["high"]},
                },
                _zero("y", "paid back"),
                {
                    "mark": {"type": "line", "strokeWidth": 2.2, "color": colour},
                    "encoding": {"x": x, "y": {"field": "mid", **y}},
                },
            ],
        }
    )


def tornado_chart(risk: Risk, bars: Sequence[TornadoBar]) -> str:
    """How far each input moves the lead of the answer over its best rival, widest first."""
    rows: list[dict[str, Any]] = []
    for bar in bars[:_BARS]:
        ends = sorted([(bar.at_low_usd, bar.low), (bar.at_high_usd, bar.high)])
        rows.append({"input": bar.name, "from": ends[0][0], "to": ends[1][0], "left": ends[0][1], "right": ends[1][1]})
    if not rows:
        return ""
    y = {"field": "input", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 250}}
    title = f"US dollars ahead over {risk.horizon_months} months"
    x = {"type": "quantitative", "title": title, "axis": {"labelExpr": _USD, "tickCount": 5}, "scale": {"padding": 42}}
    label = {"type": "text", "fontSize": 10.5, "color": SOFT}
    return _svg(
        {
            "width": WIDTH - 250,
            "height": {"step": 24},
            "data": {"values": rows},
            "layer": [
                {
                    "mark": {"type": "bar", "height": 12, "color": "#8fa79c"},
                    "encoding": {"y": y, "x": {"field": "from", **x}, "x2": {"field": "to"}},
                },
                {
                    "mark": {**label, "align": "right", "dx": -4},
                    "encoding": {"y": y, "x": {"field": "from", **x}, "text": {"field": "left"}},
                },
                {
                    "mark": {**label, "align": "left", "dx": 4},
                    "encoding": {"y": y, "x": {"field": "to", **x}, "text": {"field": "right"}},
                },
                {
                    "data": {"values": [{"at": float(risk.lead_usd)}]},
                    "mark": {"type": "rule", "strokeWidth": 1.5, "color": INK},
                    "encoding": {"x": {"field": "at", **x}},
                },
                _zero("x", ""),
            ],
        }
    )


def _points(x: Mapping[str, Any], middle: str) -> list[dict[str, Any]]:
    """A point with a line from P10 to P90."""
    return [
        {
            "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.5},
            "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 62, "opacity": 1},
            "encoding": {"x": {"field": middle, **x}},
        },
    ]


def _money_axis(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Bills of options differ by orders of magnitude; an axis that starts at zero would show the dearest one only."""
    positive = [row["low"] for row in rows if row["low"] > 0] or [0.01]
    lowest, highest = max(min(positive), 0.01), max(row["high"] for row in rows)
    logarithmic = highest > 30 * lowest
    if logarithmic:
        for row in rows:
            row.update({name: max(row[name], lowest) for name in ("low", "mid", "high")})
    axis: dict[str, Any] = {"labelExpr": _USD, "tickCount": 6}
    if logarithmic:
        axis["values"] = _decades(lowest, highest)
    scale: dict[str, Any] = dict(_SHORT) if logarithmic else {"zero": True}
    return {"type": "quantitative", "scale": scale, "title": "US dollars a month", "axis": axis}


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten inside a range, with halves between them where that leaves few."""
    tens = [10.0**n for n in range(-4, 16) if low <= 10.0**n <= high]
    if len(tens) > 2:
        return tens
    return [step * 10.0**n for n in range(-4, 16) for step in (1, 2, 5) if low <= step * 10.0**n <= high]


def _kinds(options: Sequence[Option]) -> dict[str, str]:
    return dict(_look(option) for option in options)


def _look(option: Option) -> tuple[str, str]:
    """Going on as today takes nothing to begin; the same model used otherwise takes somebody's work."""
    otherwise = option.word == "keep_renting" and option.one_off_usd.high > 0
    return LEANER if otherwise else COLOURS[option.word]


def _colour(field: str, colours: Mapping[str, str], *, legend: bool = True) -> dict[str, Any]:
    look = {"title": None, "orient": "top", "columns": 3, "symbolType": "circle", "symbolOpacity": 1}
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(colours), "range": list(colours.values())},
        "legend": look if legend else None,
    }


def _today(outlook: Outlook, x: Mapping[str, Any]) -> list[dict[str, Any]]:
    span = [{"calls": outlook.today_low, "to": outlook.today_high}]
    now = [{"calls": outlook.today, "text": "today"}]
    return [
        {
            "data": {"values": span},
            "mark": {"type": "rect", "color": INK, "opacity": 0.1},
            "encoding": {"x": dict(x), "x2": {"field": "to"}},
        },
        {
            "data": {"values": now},
            "mark": {"type": "rule", "color": INK, "strokeWidth": 1.2},
            "encoding": {"x": dict(x)},
        },
        {
            "data": {"values": now},
            "mark": {"type": "text", "align": "left", "dx": 6, "fontSize": 12, "fontWeight": "bold", "color": INK},
            "encoding": {"x": dict(x), "y": {"value": 9}, "text": {"field": "text"}},
        },
    ]


def _crossings(
    curves: Sequence[Curve], x: Mapping[str, Any], y: Mapping[str, Any], colour: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """A ring where an option begins or ceases to beat renting, with the calls a month there."""
    rows: list[dict[str, Any]] = [
        {"calls": at, "usd": _at(curve, at), "kind": _look(curve.option)[0], "text": counted(at)}
        for curve in curves
        for at in curve.crossings
        if curve.line[0].calls < at < curve.line[-1].calls
    ]
    if not rows:
        return []
    place = {"x": dict(x), "y": {"field": "usd", **y}}
    ring = {"type": "point", "filled": False, "size": 80, "strokeWidth": 2, "opacity": 1}
    rows.sort(key=lambda row: float(row["calls"]))
    text = {"type": "text", "align": "left", "dx": 7, "fontSize": 11}
    word = {**place, "text": {"field": "text"}, "color": dict(colour)}
    return [
        {"data": {"values": rows}, "mark": ring, "encoding": {**place, "color": dict(colour)}},
        # neighbours stand below and above their lines, so that they do not cover each other
        {"data": {"values": rows[::2]}, "mark": {**text, "dy": 13}, "encoding": word},
        {"data": {"values": rows[1::2]}, "mark": {**text, "dy": -9, "align": "right", "dx": -4}, "encoding": word},
    ]


def _at(curve: Curve, calls: float) -> float:
    after = next(point for point in curve.line if point.calls >= calls)
    return after.usd


def counted(calls: float) -> str:
    """A number of calls as people say it: 940, 78,500, 3.0 million."""
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if calls >= size:
            return f"{calls / size:.3g} {name}"
    return f"{float(f'{calls:.3g}'):,.0f}"


def _zero(axis: str, text: str) -> dict[str, Any]:
    """A line at zero, with what it means."""
    rule = {
        "data": {"values": [{}]},
        "mark": {"type": "rule", "color": INK, "strokeDash": [3, 3]},
        "encoding": {axis: {"datum": 0}},
    }
    if not text:
        return rule
    mark = {"type": "text", "align": "right", "dy": -6, "fontSize": 11, "color": SOFT}
    place = {axis: {"datum": 0}, "x": {"value": "width"}, "text": {"value": text}}
    word = {"data": {"values": [{}]}, "mark": mark, "encoding": place}
    return {"layer": [rule, word]}


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "anchor": "start", "fontSize": 12, "fontWeight": "normal", "color": SOFT}


def plain(value: Any) -> Any:
    """A JSON value without the characters that XML cannot carry or that turn a line of text around.

    Names of tasks and models come out of traffic.
    """
    if isinstance(value, str):
        return value.translate(_UNSAFE)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("list[Any]", value)]
    return value


_UNSAFE = dict.fromkeys(
    (*range(9), *range(11, 32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A),
     *range(0xD800, 0xE000), 0xFFFE, 0xFFFF),
    "\ufffd",
)  # fmt: skip


def _svg(spec: dict[str, Any]) -> str:
    font = "Helvetica, Arial, Liberation Sans, sans-serif"  # as wide as what the text was measured with
    look = {
        "background": None,
        "padding": {"left": 8, "right": 26, "top": 4, "bottom": 4},
        "font": font,
        "view": {"stroke": None},
        "axis": {
            "labelColor": INK,
            "titleColor": SOFT,
            "titleFontWeight": "normal",
            "gridColor": GRID,
            "domain": False,
            "ticks": False,
            "labelFontSize": 11.5,
            "titleFontSize": 11.5,
            "labelPadding": 6,
        },
        "axisY": {"titlePadding": 8},
        "legend": {"labelColor": INK, "labelFontSize": 11.5, "labelLimit": 220, "offset": 10, "columnPadding": 28},
    }
    whole = {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "config": look, **plain(spec)}
    return vl_convert.vegalite_to_svg(whole)
