"""Homes with a small recorded product in them, for tests that walk the circle without a gateway."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from freehold.services.home import Home
from freehold.settings import Loaded, Settings

START = datetime(2026, 3, 2, tzinfo=UTC)
COLOURS = ("amber", "blue", "green", "red")
_WORDS = {
    "amber": ("honey", "whisky", "autumn", "resin", "sunset", "ginger"),
    "blue": ("sea", "sky", "denim", "sapphire", "glacier", "ink"),
    "green": ("grass", "moss", "lime", "forest", "olive", "emerald"),
    "red": ("rose", "brick", "blood", "cherry", "rust", "poppy"),
}
_FILLERS = ("it looked like", "imagine", "something close to", "my notes say", "paint it as", "we saw", "rather")


def colour_line(n: int, rng: random.Random, *, teacher_error: float = 0.0, gold: bool = False) -> dict[str, Any]:
    """One call of a narrow task: name the colour that a phrase speaks of."""
    colour = rng.choice(COLOURS)
    said = (
        f"{rng.choice(_FILLERS)} {rng.choice(_WORDS[colour])} {rng.choice(_FILLERS)} {rng.choice(_WORDS[colour])} {n}"
    )
    wrong = rng.choice([c for c in COLOURS if c != colour])
    answer = wrong if rng.random() < teacher_error else colour
    system = "Name the colour that the phrase speaks of. Answer with one of: " + ", ".join(COLOURS)
    return line(f"colour-{n}", system, said, answer, START + timedelta(minutes=10 * n), gold=colour if gold else None)


def essay_line(n: int, rng: random.Random) -> dict[str, Any]:
    """One call of a task whose answers are free text."""
    words = [rng.choice(_FILLERS) for _ in range(12)]
    system = "Write a short, warm note to the guest who asks, and sign it with the name of the house."
    return line(f"essay-{n}", system, " ".join(words[:6]), " ".join(words), START + timedelta(minutes=10 * n + 3))


def line(ident: str, system: str, user: str, answer: str, at: datetime, *, gold: str | None = None) -> dict[str, Any]:
    """One line of a log in the "calls" format."""
    prompt, completion = (len(system) + len(user)) // 4, max(1, len(answer) // 4)
    made: dict[str, Any] = {
        "id": ident,
        "started_at": at.isoformat(),
        "latency_ms": 400.0,
        "provider": "openai",
        "request": {
            "model": "gpt-4.1",
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "temperature": 0,
        },
        "response": {
            "id": f"chatcmpl-{ident}",
            "object": "chat.completion",
            "created": int(at.timestamp()),
            "model": "gpt-4.1",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            },
        },
    }
    if gold is not None:
        made["gold"] = gold
    return made


def write_log(path: Path, lines: list[dict[str, Any]]) -> Path:
    """A log file of these lines, oldest first."""
    lines.sort(key=lambda made: made["started_at"])
    path.write_text("".join(json.dumps(made) + "\n" for made in lines), encoding="utf-8")
    return path


def colours_log(
    path: Path,
    count: int = 600,
    *,
    teacher_error: float = 0.0,
    gold_share: float = 0.3,
    essays: int = 40,
    seed: int = 1,
) -> Path:
    """A log with a narrow task and a free-text one."""
    rng = random.Random(seed)
    make: Callable[[int], dict[str, Any]] = lambda n: colour_line(  # noqa: E731 - one draw after the other
        n, rng, teacher_error=teacher_error, gold=rng.random() < gold_share
    )
    lines = [make(n) for n in range(count)]
    return write_log(path, lines + [essay_line(n, rng) for n in range(essays)])


def home(folder: Path, settings: Settings | None = None) -> Home:
    """An empty home."""
    folder.mkdir(parents=True, exist_ok=True)
    return Home(Loaded(settings or Settings(), folder, {}))
