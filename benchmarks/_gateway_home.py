"""A home as a gateway in production has it, for the benchmarks: providers, prices, a virtual key, a promoted task.

The route table is the registry's own: a trained student under a certificate answers one task (`triage`), and three
more tasks are known and rented. With `matched`, the harness's request belongs to a fifth, promoted to a canary whose
share is nought: every call is recognised, its route is looked at, and it is rented all the same.
"""

from __future__ import annotations

import random
from pathlib import Path

import msgspec

from freehold.registry.store import Registry
from freehold.settings import load
from freehold.students import bundle, ladder
from freehold.vocabulary import (
    NANO_USD,
    Budget,
    Certificate,
    Contract,
    Example,
    Interval,
    Manifest,
    MessagePattern,
    Slot,
    Task,
    Template,
    VirtualKey,
)

CLAUDE = 9101
"""Port of the upstream that speaks Messages."""
CLAUDE_MODEL = "claude-bench"
_SETTINGS = """
default_provider = "mock"

[providers.mock]
kind = "openai"
base_url = "http://127.0.0.1:{mock}/v1"

[providers.claude]
kind = "anthropic"
base_url = "http://127.0.0.1:{claude}"

[prices."mock/gpt-4o-mini"]
input_usd_per_mtok = "0.15"
output_usd_per_mtok = "0.60"

[prices."claude/{model}"]
input_usd_per_mtok = "1"
output_usd_per_mtok = "5"

[tasks.invoices]
canary_share = 0.0
"""
_PROMPTS = {
    "triage": "You sort messages to a bank's support desk by topic. Answer with one topic and nothing else.",
    "summary": "Summarise the meeting below for somebody who was not there, in at most five sentences.",
    "tone": "Say whether the review below is positive, negative or mixed, with one word.",
    "address": "Find the postal address in the letter below and give it as JSON with street, city and country.",
}
_INVOICES = "You are a careful assistant that extracts invoice fields."
"""The system message of the harness's request."""
_TOPICS = 8


def make(home: Path, *, mock: int, matched: bool = False) -> str:
    """Fill a home; returns its virtual key."""
    home.mkdir()
    text = _SETTINGS.format(mock=mock, claude=CLAUDE, model=CLAUDE_MODEL)
    (home / "freehold.toml").write_text(text, encoding="utf-8")
    prompts = {**_PROMPTS, "invoices": _INVOICES} if matched else _PROMPTS
    with Registry(home, load({"FREEHOLD_HOME": str(home)}).settings) as registry:
        registry.save_discovered([_task(name, prompt) for name, prompt in prompts.items()])
        _promote(registry, home, "triage")
        registry.set_stage("triage", "full", by="benchmark")
        if matched:
            _promote(registry, home, "invoices")
            registry.set_stage("invoices", "canary", by="benchmark")
        wanted = VirtualKey(
            id="", name="bench", digest="", created_at="", budget=Budget(1_000_000 * NANO_USD, "month"),
            rpm=100_000_000, tpm=100_000_000_000,
        )  # fmt: skip
        return registry.add_virtual_key(wanted, by="benchmark")[1]


def _task(name: str, prompt: str) -> Task:
    messages = (MessagePattern("system", (prompt,)), MessagePattern("user", (Slot("message"),)))
    template = Template(f"{name}-template", messages, n_calls=1000)
    return Task(f"task-{name}", name, "classification", (template,), 1000, 1.0, "the same prompt")


def _promote(registry: Registry, home: Path, name: str) -> None:
    """A small student for a task, and a certificate; how good it is, nobody asks."""
    examples = _examples()
    contract = Contract("c", "label", len(examples), labels=tuple(f"topic{k}" for k in range(_TOPICS)))
    fitted = ladder.fit("kernel", examples, contract)
    draft = Manifest(
        "", "", f"task-{name}", name, "classification", "kernel", "", (f"{name}-template",), "c", "", len(examples),
        fitted.scope_threshold, fitted.parameters, 0, "made up", "", {}, {},
    )  # fmt: skip
    files = fitted.files | {
        bundle.Layout.CONTRACT: msgspec.json.encode(contract),
        bundle.Layout.DATA: bundle.encode_examples(examples),
    }
    folder = home / "bundles" / name
    manifest = bundle.write(folder, draft, files, bundle.signing_key(home))
    registry.add_student(manifest, folder)
    registry.add_certificate(
        Certificate(
            id=f"certificate-{name}", task_id=f"task-{name}", student_id=manifest.student_id, certified=True,
            alpha=0.05, delta=0.05, against="teacher", n=1000, threshold=0.5, scope_threshold=fitted.scope_threshold,
            coverage=0.9, coverage_interval=Interval(0.88, 0.92), n_kept=900, n_errors=20, risk=0.022,
            risk_upper=0.034, best_risk_upper=0.034, labels_needed=0, reason="", template_ids=(f"{name}-template",),
            contract_version="c", label_source="made up", calls_from_us=0, calls_to_us=1,
            issued_at="2026-01-03T00:00:00Z",
        )
    )  # fmt: skip


def _examples() -> list[Example]:
    rng = random.Random(1)
    made: list[Example] = []
    for number in range(400):
        topic = rng.randrange(_TOPICS)
        words = [f"word{rng.randrange(200)}" for _ in range(8)]
        made.append(Example(str(number), (" ".join([f"key{topic}", *words]),), f"topic{topic}"))
    return made
