"""The report: one page for whoever signs, drawn from the verdicts and nothing else. One HTML file, no network."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from freehold.verdict import words
from freehold.vocabulary import ZERO, Assumption, Certificate, Option, Task, Verdict

from . import deciding, wording
from ._charts import options_chart
from .home import Home

_OWNING = frozenset({"own_student", "host_open_weights", "fine_tune_own", "train_from_scratch"})
_SMALL_SHARE = Decimal("0.005")


def write(home: Home, out: Path, *, volume: float = 1.0, verdicts: list[Verdict] | None = None) -> Path:
    """Write the report of all tasks to `out` and return its path.

    Raises:
        MissingPrerequisite: no calls have been recorded yet.
    """
    made = verdicts if verdicts is not None else deciding.verdicts(home, volume=volume)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(home, made), encoding="utf-8")
    return out


def page(home: Home, verdicts: list[Verdict]) -> str:
    """The report as one HTML document."""
    environment = Environment(
        loader=PackageLoader("freehold.services"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    css, _, _ = environment.loader.get_source(environment, "report.css") if environment.loader else ("", None, None)
    rows = [_row(home, verdict) for verdict in verdicts]
    return environment.get_template("report.html.j2").render(
        css=css,
        headline=_headline(verdicts),
        scope=_scope(verdicts),
        made_at=verdicts[0].made_at[:10] if verdicts else "",
        numbers=_numbers(verdicts, rows),
        rows=rows,
        elsewhere="",
        tasks=[_task(home, verdict) for verdict in verdicts],
    )


def _headline(verdicts: list[Verdict]) -> str:
    owned = [v for v in verdicts if v.word in _OWNING]
    if not owned:
        return "Keep renting: no task is worth owning at this volume"
    which = "one task is" if len(owned) == 1 else f"{len(owned)} of {len(verdicts)} tasks are"
    return (
        f"Mostly rent: {which} worth owning"
        if len(owned) * 2 <= len(verdicts)
        else f"{which} worth owning".capitalize()
    )


def _scope(verdicts: list[Verdict]) -> str:
    calls = sum(v.calls_per_month for v in verdicts)
    factor = verdicts[0].volume_factor if verdicts else 1.0
    asked = f", as if there were {factor:g} times as many" if factor != 1.0 else ""
    return f"{len(verdicts)} recurring tasks, {calls:,.0f} calls a month{asked}."


def _numbers(verdicts: list[Verdict], rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    rents = [deciding.rent_usd(v) for v in verdicts]
    bill = sum((rent.mid for rent in rents if rent is not None), ZERO)
    saving = sum((row["saving_mid"] for row in rows if row["saving_mid"] is not None), ZERO)
    calls = sum(v.calls_per_month for v in verdicts) or 1.0
    promised = sum(row["promised"] for row in rows)
    served = sum(v.calls_per_month * (row["owned_share"] or 0.0) for v, row in zip(verdicts, rows, strict=True))
    return [
        {"value": usd(bill), "label": "a month for renting everything, at today's prices"},
        {"value": usd(saving), "label": "a month saved by the verdicts below, in the middle of their range"},
        {"value": f"{100 * served / calls:.0f} %", "label": "of the calls answered by an owned model now"},
        {"value": f"{promised} of {len(rows)}", "label": "tasks carry a certified promise"},
    ]


def _row(home: Home, verdict: Verdict) -> dict[str, Any]:
    certificate, share = standing(home, home.registry.task(verdict.task_id))
    rent, chosen = deciding.rent_usd(verdict), deciding.chosen(verdict)
    switches = chosen is not None and rent is not None and chosen.word != "keep_renting"
    saving, saving_mid = "-", None
    if switches and rent is not None and chosen is not None:
        saving = f"{usd(rent.mid - chosen.monthly_usd.high)} to {usd(rent.mid - chosen.monthly_usd.low)}"
        saving_mid = rent.mid - chosen.monthly_usd.mid
    return {
        "id": verdict.task_id,
        "name": verdict.task_name,
        "kind": verdict.kind.replace("_", " "),
        "calls": f"{verdict.calls_per_month:,.0f}",
        "rent": usd(rent.mid) if rent is not None else "unknown",
        "word": verdict.word,
        "verdict": words.verdict_sentence(verdict),
        "owned_share": share,
        "owned_percent": round(100 * (share or 0.0)),
        "promised": certificate is not None and certificate.certified,
        "saving": saving,
        "saving_mid": saving_mid,
    }


def standing(home: Home, task: Task) -> tuple[Certificate | None, float | None]:
    """A task's certificate, and the share of its calls that an owned model answers now (None: no model is serving)."""
    certificate = deciding.standing_certificate(home, task)
    stage = home.registry.stage(task.id).stage
    if certificate is None or not certificate.certified or stage not in ("canary", "full"):
        return certificate, None
    declared = home.task_settings(task)
    canary = deciding.first(declared.canary_share, home.settings.certificate.canary_share)
    return certificate, certificate.coverage * (canary if stage == "canary" else 1.0)


def _task(home: Home, verdict: Verdict) -> dict[str, Any]:
    task = home.registry.task(verdict.task_id)
    certificate, _ = standing(home, task)
    return {
        "id": verdict.task_id,
        "name": verdict.task_name,
        "word": verdict.word,
        "verdict": words.verdict_sentence(verdict),
        "reason": verdict.reason,
        "warnings": verdict.warnings,
        "to_find_out": verdict.to_find_out,
        "promise": wording.promise(certificate),
        "options": [_option(option, verdict) for option in verdict.options],
        "chart": options_chart(verdict),
        "from_scratch": verdict.from_scratch,
        "steps": [
            {"name": s.name, "option": s.option, "monthly": usd(s.monthly_usd), "change": usd(s.change_usd)}
            for s in verdict.steps
        ],
        "criteria": verdict.criteria,
        "declared": verdict.declared,
        "flips": [wording.flip_text(flip) for flip in verdict.flips],
        "risks": [] if verdict.risk is None else wording.risk(verdict.risk),
        "assumptions": [_assumption(a) for a in verdict.assumptions],
        "sources": [f"{s.name} ({s.date})" if s.date else s.name for s in verdict.sources],
        "how_recognised": task.why,
    }


def _assumption(a: Assumption) -> dict[str, str]:
    figures = {"value": f"{a.value:f}", "low": f"{a.low:f}", "high": f"{a.high:f}"}
    return {"name": a.name.replace("_", " "), "unit": a.unit, "source": a.source.name, **figures}


def _option(option: Option, verdict: Verdict) -> dict[str, Any]:
    price = option.monthly_usd
    return {
        "name": option.name,
        "chosen": option == deciding.chosen(verdict),
        "allowed": option.allowed,
        "why_not": option.why_not,
        "mid": usd(price.mid),
        "range": f"{usd(price.low)} to {usd(price.high)}",
        "one_off": usd(option.one_off_usd.mid),
        "payback": wording.payback(option),
        "crossover": wording.crossover(option),
        "quality": option.quality,
    }


def usd(amount: Decimal) -> str:
    """Dollars as people read them: cents below a hundred, whole dollars above."""
    size = abs(amount)
    sign = "-" if amount < 0 and size >= _SMALL_SHARE else ""
    return f"{sign}${size:,.2f}" if size < 100 else f"{sign}${size:,.0f}"
