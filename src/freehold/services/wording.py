"""Results in words, for a terminal. Figures come with what they rest on; nothing here decides anything."""

from __future__ import annotations

from freehold.verdict import words
from freehold.vocabulary import Certificate, Flip, Option

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
    return "never" if calls is None else f"{float(f'{calls:.2g}'):,.0f} calls"
