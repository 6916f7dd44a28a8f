"""Results in words, for a terminal. Figures come with what they rest on; nothing here decides anything."""

from __future__ import annotations

from decimal import Decimal

from freehold.verdict import words
from freehold.vocabulary import Certificate, Estimate, Flip, Option, Risk

from .backtesting import After, Backtest
from .training import TrainingReport


def percent(share: float, digits: int = 0) -> str:
    """A share as a percentage."""
    return f"{100 * share:.{digits}f} %"


def level(value: float) -> str:
    """A promised level, such as alpha, without needless digits."""
    return f"{100 * value:g} %"


def wrong_means(certificate: Certificate) -> str:
    """What counts as wrong under a certificate."""
    return "differ from the rented model's" if certificate.against == "teacher" else "are wrong by people's judgement"


def promise_short(certificate: Certificate | None) -> str:
    """A promise in a table's cell."""
    if certificate is None:
        return "none asked for"
    if not certificate.certified:
        return "no promise"
    whose = "vs teacher" if certificate.against == "teacher" else "vs gold"
    return f"<= {level(certificate.alpha)} wrong {whose}"


def promise(certificate: Certificate | None) -> str:
    """A promise as one or two sentences."""
    if certificate is None:
        return "Nothing is promised: no student has been certified."
    if not certificate.certified:
        return f"No promise. {certificate.reason}"
    low, high = certificate.coverage_interval.low, certificate.coverage_interval.high
    return (
        f"With {level(1 - certificate.delta)} confidence, at most {level(certificate.alpha)} of the answers it keeps "
        f"{wrong_means(certificate)}; it keeps {percent(certificate.coverage)} of the calls ({percent(low)} to "
        f"{percent(high)}). Measured on {certificate.n:,} calls it had never seen: {certificate.n_errors} of the "
        f"{certificate.n_kept:,} it kept."
    )


def certificate(certificate: Certificate) -> str:
    """What `freehold certify` answers, after its yes or no."""
    lines = [promise(certificate)]
    if certificate.certified:
        versions = len(certificate.template_ids)
        lines.append(
            f"It covers {versions} version{'s' * (versions != 1)} of the prompt, answers of {certificate.student_id} "
            f"from a confidence of {certificate.threshold:.3f}, and traffic like that it was measured on."
        )
    return "\n".join(lines)


def training(report: TrainingReport) -> list[str]:
    """What `freehold train` answers."""
    learned = (
        f"{report.task}: {report.student_id}, a {report.rung} student, learned from {report.n_train:,} of "
        f"{report.n_calls:,} calls; {report.n_held_out:,} later ones and {report.n_gold_held_out:,} with gold are held "
        "out to judge it."
    )
    lines = [learned, report.reason]
    for tried in report.tried:
        measured = (
            f"{percent(tried.accuracy, 1)} right on {tried.n_test:,}, {tried.seconds:.1f} s" if tried.n_test else ""
        )
        lines.append(f"  {tried.rung:<12} {measured}{'; ' if measured and tried.note else ''}{tried.note}")
    if len(report.learning_curve) > 1:
        points = ", ".join(f"{p.n_train:,}: {percent(p.accuracy, 1)}" for p in report.learning_curve)
        lines.append(f"  learning curve: {points}")
    if not report.suffices and report.labels_needed:
        lines.append(f"  about {report.labels_needed:,} examples might suffice, if the curve goes on as it began")
    return lines


def realised(after: After | None) -> str:
    """What a kept set turned out to be, for a table's cell."""
    if after is None or after.risk is None:
        return "-"
    return f"{percent(after.risk, 1)} ({percent(after.risk_low, 1)} to {percent(after.risk_high, 1)})"


def backtest(result: Backtest) -> list[str]:
    """What a backtest came to, below its table."""
    kept = [t for t in result.tasks if t.after is not None and t.after.n_kept]
    promised = [t for t in kept if t.certificate is not None and t.certificate.certified]
    broken = [
        t.name for t in promised if t.after is not None and t.certificate and t.after.risk_low > t.certificate.alpha
    ]
    unknown = f"; {result.unrecognised_after:,} of them recur in no task" if result.unrecognised_after else ""
    before, after = f"{result.calls_before:,}", f"{result.calls_after:,}"
    lines = [f"Learned on {before} calls, judged once on the {after} that came later{unknown}."]
    if not promised:
        lines.append(
            "No task could be promised anything: keep renting, and see each task's certificate for what is missing."
        )
    elif broken:
        lines.append(f"The promise was broken on {', '.join(broken)}: the later calls are not like the earlier ones.")
    else:
        lines.append("Every promise held on the later calls, as far as they can tell.")
    lines += [f"  {t.name}: {t.why}" for t in result.tasks]
    return lines


def flip_text(flip: Flip) -> str:
    """One thing that would change the answer, as a sentence's beginning."""
    name = flip.input.replace("_", " ")
    unit = f" {flip.unit}" if flip.unit else ""
    if flip.at is None:
        return f"{name}: nothing inside the range examined"
    return f"{name} from {figure(flip.now)} to {figure(flip.at)}{unit}: {words.word_text(flip.to)}"


def figure(value: float) -> str:
    """A figure with as many digits as mean something: 11,800,000, 3.4, 0.29."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}"


def payback(option: Option) -> str:
    """When an option has paid for its beginning."""
    if option.quality == "reference":
        return "-"
    return "never" if option.months_to_pay_back is None else f"{option.months_to_pay_back:.1f} months"


def crossover(option: Option) -> str:
    """From how many calls a month an option is cheaper than renting."""
    if option.quality == "reference":
        return "-"
    calls = option.crossover_calls_per_month
    if calls is None:
        return "never"
    if len(option.crossover_ranges) < 2 and all(one.to_calls is None for one in option.crossover_ranges):
        return f"{_about(calls)} calls"
    ranges = [
        f"from {_about(one.from_calls)}"
        if one.to_calls is None
        else f"{_about(one.from_calls)} to {_about(one.to_calls)}"
        for one in option.crossover_ranges
    ]
    return f"{', '.join(ranges)} calls"


def _about(calls: float) -> str:
    return f"{float(f'{calls:.2g}'):,.0f}"


def wins(option: Option) -> str:
    """In how many of the scenarios an option wins, for a table's cell."""
    if option.probability_wins is None:
        return "-"
    return percent(option.probability_wins) + (" if good" if option.quality == "unknown" else "")


def risk(found: Risk) -> list[str]:
    """What the answer risks, what it hangs on, whether to wait, and what to find out: a line each."""
    span = f"over {found.horizon_months} months"
    unmeasured = " (if its answers were good enough)" if found.against_unmeasured else ""
    lines = [f"{found.leading} leads {found.against}{unmeasured} by {_usd(found.lead_usd)} {span}"]
    if found.lead_usd < 0:
        lines = [f"{found.against}{unmeasured} would be {_usd(-found.lead_usd)} better {span}"]
    if found.known_usd is not None:
        lines.append(f"choosing wrongly is expected to cost {_estimate(found.known_usd)} (n = {found.scenarios:,})")
    if found.waiting_usd is not None:
        lines.append(f"waiting {found.waiting_months} months {_waiting(found.waiting_usd)}")
    if found.influences:
        named = ", ".join(f"{one.input} ({percent(max(0.0, one.total))})" for one in found.influences[:3])
        lines.append(f"what weighs most, as a share of the variance of that lead: {named}")
    if found.learn:
        best = max(found.learn, key=lambda one: one.worth_usd.value)
        cost = "" if best.cost_usd is None else f", costs {_usd(best.cost_usd)}"
        chance = (
            ""
            if best.chance_needed is None
            else f"; pays if its chance of being good is above {best.chance_needed:.2g}"
        )
        lines.append(f"most worth knowing: {best.what}, {_estimate(best.worth_usd)}{cost}{chance} ({best.how})")
    elif found.known_usd is not None:
        lines.append("nothing is worth finding out: no single input would change the choice")
    return lines


def _usd(amount: Decimal) -> str:
    return words.usd_text(amount)


def _estimate(found: Estimate) -> str:
    return f"{_usd(found.value)} ({_usd(found.low)} to {_usd(found.high)})"


def _waiting(found: Estimate) -> str:
    """Whether waiting pays, where the number of scenarios can tell."""
    if found.low > 0:
        return f"before choosing is worth {_estimate(found)}"
    if found.high < 0:
        return f"before choosing costs {_estimate(Estimate(-found.value, -found.high, -found.low))}"
    return f"before choosing makes no clear difference ({_usd(found.low)} to {_usd(found.high)})"
