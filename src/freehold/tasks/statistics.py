"""What a task's traffic looks like: the criteria of the decision, measured. Each figure says how much it rests on."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

import msgspec
import numpy as np

from freehold.vocabulary import Call
from freehold.wire.known import dialect

_US = 1_000_000
_DAY_US = 86_400 * _US
_MONTH_DAYS = 365.25 / 12


class Figure(msgspec.Struct, frozen=True):
    """A measured figure and the number of observations behind it. `value` is None where there are too few."""

    value: float | None
    n: int


class WorkloadStatistics(msgspec.Struct, frozen=True):
    """The workload of one task, as the calls given show it.

    calls, days              calls, and days from the first to the last
    calls_per_month          calls / days x 30.44; None below a day
    growth_per_month         factor per month, from a least-squares line through the logarithms of whole days' counts;
                             None below seven whole days. 1.0: no growth. It is a fit, not a forecast.
    peak_to_mean             largest count in a window over the mean count of all windows from first to last call, for
                             windows of 1, 10 and 60 minutes
    stability                1 minus half the total variation between the answers (labels, or lengths in powers of two)
                             of the earlier and the later half: 1 the same mixture, 0 nothing in common
    exact_repeat_share       share of calls whose request (messages, tools, schema) occurred before in the log
    answer_entropy_bits      entropy of the distribution of whole answers; low is narrow. It is biased low where answers
                             hardly repeat: then it is close to log2(n) and says only "open"
    distinct_answers         number of different answers
    output_chars             mean length of an answer
    latency_ms_*             of successful calls, request to last byte
    tokens                   means per call as the provider counted; None where no usage was stated
    error_share              share of calls that ended other than well
    """

    calls: int
    days: float
    calls_per_month: Figure
    growth_per_month: Figure
    peak_to_mean_1_min: Figure
    peak_to_mean_10_min: Figure
    peak_to_mean_60_min: Figure
    stability: Figure
    exact_repeat_share: Figure
    answer_entropy_bits: Figure
    distinct_answers: Figure
    output_chars: Figure
    latency_ms_p50: Figure
    latency_ms_p95: Figure
    input_tokens: Figure
    cached_tokens: Figure
    output_tokens: Figure
    error_share: Figure


def workload(calls: Sequence[Call]) -> WorkloadStatistics:
    """Measure the calls of one task. An empty log gives figures without values."""
    ordered = sorted(calls, key=lambda call: (call.started_at_us, call.id))
    times = np.asarray([call.started_at_us for call in ordered], dtype=np.int64)
    days = float(times[-1] - times[0]) / _DAY_US if len(times) else 0.0
    texts = [dialect(call.dialect).answer_text(call.response) if call.outcome == "ok" else None for call in ordered]
    answers = [text for text in texts if text is not None]
    counts = Counter(answers)
    latencies = [call.latency_ms for call in ordered if call.outcome == "ok"]
    usages = [call.usage for call in ordered if call.usage is not None]
    n = len(ordered)
    peaks = [_peak_to_mean(times, minutes) for minutes in (1, 10, 60)]
    return WorkloadStatistics(
        calls=n,
        days=days,
        calls_per_month=Figure(n / days * _MONTH_DAYS if days >= 1 else None, n),
        growth_per_month=_growth(times),
        peak_to_mean_1_min=peaks[0],
        peak_to_mean_10_min=peaks[1],
        peak_to_mean_60_min=peaks[2],
        stability=_stability(answers),
        exact_repeat_share=_repeats(ordered),
        answer_entropy_bits=Figure(_entropy_bits(counts) if answers else None, len(answers)),
        distinct_answers=Figure(float(len(counts)) if answers else None, len(answers)),
        output_chars=_mean([len(text) for text in answers]),
        latency_ms_p50=_quantile(latencies, 0.5),
        latency_ms_p95=_quantile(latencies, 0.95),
        input_tokens=_mean([usage.prompt_tokens for usage in usages]),
        cached_tokens=_mean([usage.cache_read_tokens for usage in usages]),
        output_tokens=_mean([usage.output_tokens for usage in usages]),
        error_share=Figure(sum(call.outcome != "ok" for call in ordered) / n if n else None, n),
    )


def _mean(values: Sequence[float]) -> Figure:
    return Figure(fmean(values) if values else None, len(values))


def _quantile(values: Sequence[float], share: float) -> Figure:
    return Figure(float(np.quantile(values, share)) if values else None, len(values))


def _entropy_bits(counts: Counter[str]) -> float:
    total = sum(counts.values())
    return -sum(c / total * math.log2(c / total) for c in counts.values()) + 0.0


def _peak_to_mean(times: np.ndarray, minutes: int) -> Figure:
    n = len(times)
    if n < 2:
        return Figure(None, n)
    window = minutes * 60 * _US
    places = (times - times[0]) // window
    return Figure(float(np.bincount(places).max()) / (n / (int(places[-1]) + 1)), n)


def _growth(times: np.ndarray) -> Figure:
    """Growth factor per month over whole UTC days; the first and the last day are cut, because they are partial."""
    if not len(times):
        return Figure(None, 0)
    day = times // _DAY_US
    counts = np.bincount(day - day[0])[1:-1]
    if len(counts) < 7 or not counts.any():
        return Figure(None, len(counts))
    slope = float(np.polyfit(np.arange(len(counts)), np.log(counts + 0.5), 1)[0])
    return Figure(math.exp(slope * _MONTH_DAYS), len(counts))


def _stability(answers: Sequence[str]) -> Figure:
    n = len(answers)
    if n < 40:
        return Figure(None, n)
    common = len(set(answers)) <= n // 4
    classes = answers if common else [str(len(text).bit_length()) for text in answers]
    early, late = Counter(classes[: n // 2]), Counter(classes[n // 2 :])
    sizes = n // 2, n - n // 2
    apart = sum(abs(early[key] / sizes[0] - late[key] / sizes[1]) for key in early.keys() | late.keys())
    return Figure(1 - apart / 2, n)


_NOTHING = msgspec.Raw(b"")


class _Asked(msgspec.Struct):
    """What is asked, under the names that it has in each dialect; a body has those of one."""

    messages: msgspec.Raw = _NOTHING
    system: msgspec.Raw = _NOTHING
    instructions: msgspec.Raw = _NOTHING
    input: msgspec.Raw = _NOTHING
    prompt: msgspec.Raw = _NOTHING
    tools: msgspec.Raw = _NOTHING
    response_format: msgspec.Raw = _NOTHING
    text: msgspec.Raw = _NOTHING
    output_config: msgspec.Raw = _NOTHING
    output_format: msgspec.Raw = _NOTHING


_asked = msgspec.json.Decoder(_Asked)


def _repeats(calls: Sequence[Call]) -> Figure:
    seen: set[bytes] = set()
    repeated = readable = 0
    for call in calls:
        try:
            asked = _asked.decode(call.request)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        readable += 1
        whole = b"\0".join(map(bytes, msgspec.structs.astuple(asked)))
        key = hashlib.blake2b(whole, digest_size=16).digest()
        repeated += key in seen
        seen.add(key)
    return Figure(repeated / readable if readable else None, readable)
