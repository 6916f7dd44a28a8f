"""Charts of the report, as Vega-Lite specifications drawn to SVG without a browser or a network."""

from __future__ import annotations

from typing import Any

import vl_convert

from freehold.vocabulary import Verdict

_INK, _SOFT, _OWN, _RENT = "#1d2421", "#5d6a64", "#1f6f54", "#c27a24"
_OWNED_WORDS = frozenset({"own_student", "host_open_weights", "fine_tune_own", "train_from_scratch"})


def options_chart(verdict: Verdict) -> str:
    """Each option's monthly cost: the middle as a point, P10 to P90 as a line. An SVG document as text."""
    shown = [option for option in verdict.options if option.allowed]
    if len(shown) < 2:
        return ""
    # Bills of options differ by orders of magnitude; an axis that starts at zero would show the dearest one only.
    lowest = max(min(float(option.monthly_usd.low) for option in shown), 0.01)
    highest = max(float(option.monthly_usd.high) for option in shown)
    scale: dict[str, Any] = {"type": "log"} if highest > 30 * lowest else {"zero": True}
    rows = [
        {
            "option": option.name,
            "low": max(float(option.monthly_usd.low), lowest),
            "mid": max(float(option.monthly_usd.mid), lowest),
            "high": float(option.monthly_usd.high),
            "whose": "owned" if option.word in _OWNED_WORDS else "rented",
        }
        for option in shown
    ]
    x = {"type": "quantitative", "scale": scale, "title": "US dollars a month, P10 to P90", "axis": {"format": "~s"}}
    y = {"field": "option", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 320}}
    colour = {
        "field": "whose",
        "type": "nominal",
        "scale": {"domain": ["owned", "rented"], "range": [_OWN, _RENT]},
        "legend": {"title": None, "orient": "top", "direction": "horizontal"},
    }
    return _svg(
        {
            "width": 560,
            "height": {"step": 24},
            "data": {"values": rows},
            "encoding": {"y": y, "color": colour},
            "layer": [
                {
                    "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.45},
                    "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}},
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                    "encoding": {"x": {"field": "mid", **x}},
                },
            ],
        }
    )


def _svg(spec: dict[str, Any]) -> str:
    font = "system-ui, Segoe UI, Helvetica, Arial, sans-serif"
    look = {
        "background": None,
        "font": font,
        "view": {"stroke": None},
        "axis": {
            "labelColor": _INK,
            "titleColor": _SOFT,
            "titleFontWeight": "normal",
            "gridColor": "#e3e5df",
            "domain": False,
            "ticks": False,
            "labelFontSize": 12,
            "titleFontSize": 12,
        },
        "axisY": {"grid": False},
        "legend": {"labelColor": _INK, "labelFontSize": 12},
    }
    whole = {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "config": look, **spec}
    return vl_convert.vegalite_to_svg(whole)
