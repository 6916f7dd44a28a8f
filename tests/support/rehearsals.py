"""Homes with a small task in them, and another model to try it on: scripted, or played from a recording."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from tests.support import homes
from tests.support.upstream import JSON, Received, Step, Upstream, http, send

from freehold.services import discovering, ingest
from freehold.services.home import Home
from freehold.settings import PriceSettings, ProviderSettings, Settings
from freehold.vocabulary import Task

OTHER = "other/small-1"
KEY = {"OTHER_KEY": "sk-other"}
PRICE = PriceSettings(Decimal(1), Decimal(4))
"""Of the other model, in dollars per million tokens."""

Change = Callable[[dict[str, Any]], dict[str, Any]]


def served_by(url: str, **more: Any) -> Settings:
    """Settings in which a scripted provider rents out the other model."""
    other = ProviderSettings("openai", base_url=f"{url}/v1", api_key_env="OTHER_KEY")
    settings = Settings(providers={"other": other}, prices={OTHER: PRICE})
    return msgspec.structs.replace(settings, **more)


def played_from(recording: Path, **more: Any) -> Settings:
    """Settings in which a recording plays the other model."""
    settings = Settings(providers={"other": ProviderSettings("recorded", file=str(recording))}, prices={OTHER: PRICE})
    return msgspec.structs.replace(settings, **more)


@contextmanager
def made(folder: Path, settings: Settings, *, calls: int = 80, **log: Any) -> Generator[tuple[Home, Task]]:
    """A home that has recorded a classification task, and that task."""
    path = homes.colours_log(folder / "calls.jsonl", calls, **({"essays": 0} | log))
    with homes.home(folder / "home", settings) as home:
        ingest.import_log(home, path)
        discovering.find_tasks(home)
        yield home, next(task for task in home.registry.tasks() if task.kind == "classification")


def recording(
    folder: Path, wrong: Callable[[int], bool] = lambda _: False, *, model: str = "small-1", **usage: Any
) -> Path:
    """A recording of the other model's answers to the same calls; those of which `wrong` says so differ."""
    lines = [json.loads(text) for text in (folder / "calls.jsonl").read_text().splitlines()]
    for number, one in enumerate(lines):
        one["request"]["model"] = one["response"]["model"] = model
        message = one["response"]["choices"][0]["message"]
        if wrong(number):
            message["content"] = next(colour for colour in homes.COLOURS if colour != message["content"])
        one["response"]["usage"] |= usage
        one["latency_ms"] = 150.0
    path = folder / f"{model}.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return path


class Scripted:
    """Answers as a provider would, from what was asked; counts what it was asked, by the user's words."""

    def __init__(self, up: Upstream, answer: Callable[[str, int], tuple[int, str]]) -> None:
        self.asked: list[str] = []
        self.models: set[str] = set()
        self.keys: set[str] = set()
        self._answer = answer
        up.choose = self._choose

    def _choose(self, received: Received) -> tuple[Step, ...]:
        body = json.loads(received.body)
        said = body["messages"][-1]["content"]
        self.asked.append(said)
        self.models.add(body["model"])
        self.keys.add(received.headers.get("authorization", ""))
        status, text = self._answer(said, len(self.asked))
        if status != 200:
            error = {"error": {"message": "no", "type": "x", "code": text or None}}
            return (send(http(status, json.dumps(error).encode(), JSON | {"retry-after": "0"})),)
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 30, "completion_tokens": 2, "total_tokens": 32}
        whole = {"id": "x", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice]}
        return (send(http(200, json.dumps(whole | {"usage": usage}).encode())),)


def colour_of(said: str) -> str:
    """The right answer to a phrase of `homes.colour_line`."""
    return next(colour for colour in homes.COLOURS if any(word in said for word in homes._WORDS[colour]))
