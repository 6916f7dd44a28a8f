"""A promise about runs in words: what is promised and on what, or why nothing is and what would change that."""

from __future__ import annotations

from freehold.vocabulary import WorkflowCertificate


def promise(one: WorkflowCertificate) -> str:
    """What is promised, as a clause; the same words where it is not promised."""
    what = (
        "an owned answer that is not the rented model's"
        if one.against == "teacher"
        else "an owned answer that is wrong by people's judgement"
    )
    which = "the runs in which every owned step is kept" if one.of == "whole" else "all runs"
    length = f" of at most {one.most_calls} calls" if one.most_calls else ""
    return f"at most {_percent(one.alpha)} of {which}{length} hold {what}"


def reason(one: WorkflowCertificate) -> str:
    """Why it is certified, or not."""
    told = _by_runs(one) if one.route == "runs" else _by_steps(one)
    if not one.certified:
        return f"{told}{_more(one)}"
    also = " The same holds of all runs." if one.of == "whole" else ""
    return f"With confidence {_percent(1 - one.delta)}, {promise(one)}.{also} {told}"


def _by_runs(one: WorkflowCertificate) -> str:
    speak = "kept every owned step, or hold a wrong owned answer" if one.of == "whole" else "count"
    if not one.n_judged:
        return "There is no run later than what its students and their certificates were made from."
    if not one.n:
        return f"Of {one.n_judged:,} later runs none kept every owned step."
    told = f"Of {one.n_judged:,} later runs {one.n:,} {speak}; in {one.n_bad:,} a kept answer was wrong."
    look = f" This was look {one.look} at these steps, at its part of delta." if one.look > 1 else ""
    return told if one.certified else f"{told} That bounds the risk by {_percent(one.risk_upper)} only.{look}"


def _by_steps(one: WorkflowCertificate) -> str:
    other = sorted({pin.task for pin in one.steps if pin.against != one.against})
    if other:
        return f"{', '.join(other)} stands on a certificate against something else, so there is nothing to add up."
    own = sum(pin.delta for pin in one.steps)
    if not one.parts and own >= one.delta:
        each = one.delta / (2 * len(one.steps))
        return (
            f"The certificates of its {len(one.steps)} owned steps may fail in {_percent(own)} together, and delta is "
            f"{_percent(one.delta)}: certify each at a delta of {each:.2g} or less."
        )
    if not one.parts:
        return "There are too few runs to count calls in."
    added = " + ".join(f"{part.task} {_percent(part.adds)}" for part in one.parts)
    told = f"Added up from the steps' certificates: {added}."
    if one.certified:
        return told
    return f"{told} {_short(one)}"


def _short(one: WorkflowCertificate) -> str:
    """Why what the certificates add up to is no promise."""
    unseen = [part.task for part in one.parts if not part.share_lower]
    if unseen:
        return f"How often {', '.join(unseen)} is asked has no bound: none of the runs counted asks it."
    if one.of == "whole" and one.risk_upper >= 1:
        return "Too little is known of how many runs are kept whole; --of all does without it."
    needed = ", ".join(f"{part.task} at {part.alpha_needed:.2g}" for part in one.parts)
    return f"That bounds the risk by {_percent(one.risk_upper)} only; certificates would do of {needed}."


def _more(one: WorkflowCertificate) -> str:
    if one.runs_needed is None:
        return " Such runs are wrong too often for more of them to help." if one.n else ""
    if not one.runs_needed:
        return " There are enough later runs to judge them as a whole: --route runs."
    again = "" if one.route == "runs" else ", judged as a whole,"
    return f" About {one.runs_needed:,} more runs{again} might suffice."


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
