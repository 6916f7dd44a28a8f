"""Verdicts and certificates in words a person who never saw the code understands."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from freehold.vocabulary import Certificate, Verdict, VerdictWord

_WORDS: dict[VerdictWord, str] = {
    "keep_renting": "keep renting",
    "rent_smaller": "rent a smaller model",
    "rent_open_weights": "rent open weights per token",
    "host_open_weights": "host open weights",
    "own_student": "own a student",
    "fine_tune_hosted": "fine-tune at the provider",
    "fine_tune_own": "fine-tune an open model",
    "train_from_scratch": "train from scratch",
    "not_enough_evidence": "not enough evidence",
}


INPUTS: dict[str, str] = {
    "batching_hours": "work to hand calls in as batches",
    "burst_ratio": "how much busier the peak minute is",
    "cache_realised_share": "how much a prompt cache really reads",
    "caching_hours": "work to lay prompts out for a cache",
    "cpu_usd_per_hour": "the price of a core",
    "discount_rate_per_year": "the discount rate",
    "engineer_usd_per_year": "what an engineer costs",
    "gold_label_usd": "what a label by a person costs",
    "gold_labels_per_refresh": "labels needed for each retraining",
    "gpu_usd_per_hour": "the price of a GPU",
    "gpu_place_usd_per_month": "a place for a GPU",
    "gpu_usd_each": "what a GPU costs to buy",
    "hosting_engineer_share": "engineers to host a model",
    "hosting_setup_hours": "work to set hosting up",
    "labels_to_certify": "labels needed for a certificate",
    "migration_hours": "work to move to another model",
    "monthly_growth": "growth of the calls",
    "other_model_hours_per_month": "work to watch another model",
    "price_decline_per_year": "how fast rented prices fall",
    "pue": "power beside that of the machines",
    "target_tpot_s": "time allowed per token",
    "target_ttft_s": "time allowed to the first token",
    "reserved_price_ratio": "the price of reserved GPUs",
    "residual_share": "what machines sell for in the end",
    "server_power_ratio": "power of a server beside its GPUs",
    "spot_price_ratio": "the price of spot GPUs",
    "spot_rerun_share": "work done again after interruptions",
    "spot_spare_share": "spares for interruptions",
    "student_coverage": "the share of calls a student can answer",
    "student_cpu_ms": "how long a student's answer takes",
    "student_refresh_hours": "work for each retraining",
    "student_refreshes_per_year": "how often it must be retrained",
    "student_setup_hours": "work to bring a student into service",
    "student_upkeep_hours_per_month": "upkeep of a student",
    "throughput_ratio": "real throughput",
    "token_ratio": "how many tokens another model uses",
    "tuned_coverage": "the share of calls a tuned model can answer",
    "tuned_prompt_ratio": "how much shorter prompts of a tuned model are",
    "tuning_epochs": "how long a tuning run is",
    "tuning_examples": "how many answers a model is tuned on",
    "tuning_gpu_hours": "how long a tuning run takes beside learning",
    "scratch_training_usd": "what training from scratch costs",
    "tuning_mfu": "how well tuning uses a GPU",
    "tuning_refresh_hours": "work to tune a model again",
    "tuning_refreshes_per_year": "how often a model is tuned again",
    "tuning_runs": "tuning runs until one is kept",
    "tuning_setup_hours": "work to bring a tuned model into service",
    "tuning_usd_per_mtok": "the price of tuning",
    "usd_per_kwh": "the price of electricity",
    "volume_ratio": "how many calls will come",
}
"""Inputs of the decision in words."""


def inputs_text(names: Iterable[str]) -> str:
    """Inputs in words, once each, three at most."""
    texts = [INPUTS[name] for name in dict.fromkeys(names)]
    more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
    return ", ".join(texts[:3]) + more


def times_text(ratio: float) -> str:
    """A multiple: x0.25, x2.6, x55, x1,200."""
    return f"x{ratio:,.0f}" if ratio >= 10 else f"x{ratio:.2g}"


def word_text(word: VerdictWord) -> str:
    """The answer as it is read aloud."""
    return _WORDS[word]


def usd_text(usd: Decimal | float) -> str:
    """An amount of US dollars with as many digits as mean anything: 0.0042, 3.99, 540, 22,430."""
    amount = float(usd)
    if abs(amount) >= 100:
        return f"{amount:,.0f} USD"
    if abs(amount) >= 0.01 or not amount:
        return f"{amount:,.2f} USD"
    return f"{amount:.2g} USD"


def verdict_sentence(verdict: Verdict) -> str:
    """One line for a table: the answer, and whether it is final."""
    text = word_text(verdict.word)
    if verdict.provisional and verdict.word != "not_enough_evidence":
        text += " (provisional)"
    return text


def certificate_sentence(certificate: Certificate | None) -> str:
    """One line for a table: the promise, what it is against, or why there is none."""
    if certificate is None:
        return "none asked for"
    against = "the rented model's" if certificate.against == "teacher" else "people's"
    if certificate.certified:
        return (
            f"keeps {certificate.coverage:.0%} of the calls; with {1 - certificate.delta:.0%} confidence at most "
            f"{certificate.alpha:.1%} of those answers differ from {against} (judged on {certificate.n:,} calls)"
        )
    more = (
        "more labels are not likely to help"
        if certificate.labels_needed is None
        else f"about {certificate.labels_needed:,} more labels might do"
    )
    return (
        f"no: on {certificate.n:,} calls the best bound is {certificate.best_risk_upper:.1%} of answers that differ "
        f"from {against}, not {certificate.alpha:.1%}; {more}"
    )
