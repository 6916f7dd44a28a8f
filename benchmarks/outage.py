"""What clients see of 3.5 years of reported incidents: one provider, two providers, one provider and an owned model.

    python -m benchmarks.outage [--seconds 120] [--rate 100] [--one-in 2]

Input: `incidents_2021_2024.csv` of the shared data (provider-reported incidents of OpenAI's and Anthropic's APIs). Each
incident counts as a total outage from its start to its close, with the mixture of faults of `gateway.faults`: harsher
than what was reported, since most were partial. Time is compressed: stretches in which nobody had an incident are left
out (they count as answered), of the others every `--one-in`-th is played within `--seconds`, with a little of what was
before and after, to a real gateway over real sockets. Every second call is streamed, but in the last row: a stream that
is cut after its first byte cannot be answered by somebody else. So few calls fall into an incident
that it is harder to notice than it would be: a product with a call a second makes 4,600 in one of the usual length.

Measured: the share of the whole time in which a client would have got a whole answer. It exits with 1 where two
providers, or one and an owned model, come to less than 99.95 %.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from freehold.gateway.app import Doors, Gateway
from freehold.gateway.faults import Outages
from freehold.gateway.recorded import Recording, serve_recording
from freehold.registry import routes
from freehold.services._driving import Heard, drive
from freehold.services._stage import _loop
from freehold.settings import GatewaySettings, Loaded, ProviderSettings, Settings, TaskSettings
from freehold.vocabulary import Answer, Call, MessagePattern, Route, RouteTable, Slot, Task, Template

INCIDENTS = Path(__file__).resolve().parents[2] / "shared" / "data" / "provider_risk" / "incidents_2021_2024.csv"
SERVICES = {"openai": "API", "anthropic": "api.anthropic.com"}
PAD_S = 900.0
PROMISED = 0.9995
SYSTEM = "Sort this message."
TEMPLATE = Template("t1", (MessagePattern("system", (SYSTEM,)), MessagePattern("user", (Slot("message"),))))
ROUTE = Route(
    "task-1",
    "triage",
    stage="full",
    student_id="s1",
    bundle="b",
    certificate_id="c",
    template_ids=("t1",),
    threshold=0.9,
    scope_threshold=0.5,
    audit_share=0.0,
)

Span = tuple[float, float]


class Timeline(NamedTuple):
    """The stretches that are played, and how all time maps onto them. Seconds since the epoch.

    `troubled_s`: the length of all stretches around incidents, those that are not played included.
    """

    stretches: list[Span]
    began: float
    ended: float
    troubled_s: float

    @property
    def kept_s(self) -> float:
        """Seconds that are played."""
        return sum(end - begin for begin, end in self.stretches)

    def compressed(self, at: float) -> float:
        """Where a moment lies among the seconds that are played."""
        before = sum(min(at, end) - begin for begin, end in self.stretches if begin < at)
        return max(0.0, before)

    def moment(self, second: float) -> float:
        """The moment that is played at a second."""
        for begin, end in self.stretches:
            if second < end - begin:
                return begin + second
            second -= end - begin
        return self.ended


class Outcome(NamedTuple):
    """What clients saw: calls played, those that failed, and the share of all time with a whole answer."""

    calls: int
    failed: int
    availability: float


class Unsure:
    """A host of an owned model that answers whatever it is asked and is never sure."""

    async def load(self, student_id: str, bundle: str) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to close."""

    async def answer(self, *_: Any, **__: Any) -> Answer:
        """The same answer to everything."""
        return Answer("refund", confidence=0.1, scope=0.9)


def windows(path: Path = INCIDENTS) -> dict[str, list[Span]]:
    """When each provider's API had an incident, merged, in order."""
    found: dict[str, list[Span]] = {name: [] for name in SERVICES}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            wanted = SERVICES.get(row["provider"])
            if wanted and wanted in row["services"].split(";") and row["impact"] in "123" and float(row["minutes"]) > 0:
                span = (
                    datetime.fromisoformat(row["start"]).timestamp(),
                    datetime.fromisoformat(row["close"]).timestamp(),
                )
                found[row["provider"]].append(span)
    return {name: merged(spans) for name, spans in found.items()}


def merged(spans: Sequence[Span]) -> list[Span]:
    """The same time in spans that do not touch."""
    result: list[Span] = []
    for begin, end in sorted(spans):
        if result and begin <= result[-1][1]:
            result[-1] = result[-1][0], max(end, result[-1][1])
        else:
            result.append((begin, end))
    return result


def timeline(down: dict[str, list[Span]], one_in: int = 1) -> Timeline:
    """The stretches around incidents of anybody, every `one_in`-th of them."""
    every = [span for spans in down.values() for span in spans]
    stretches = merged([(begin - PAD_S, end + PAD_S) for begin, end in every])
    troubled_s = sum(end - begin for begin, end in stretches)
    return Timeline(stretches[::one_in], stretches[0][0], stretches[-1][1], troubled_s)


def settings(urls: dict[str, str], *, second: bool, owned: bool) -> Settings:
    """A gateway that rents from OpenAI, with whoever stands in for it."""
    names = list(urls) if second else ["openai"]
    providers = {name: ProviderSettings("compatible", base_url=urls[name]) for name in names}
    if second:
        providers["openai"] = ProviderSettings("compatible", base_url=urls["openai"], fallback="anthropic")
    waits = GatewaySettings(
        connect_timeout_s=1.0,
        first_byte_timeout_s=0.5,
        idle_timeout_s=0.5,
        total_timeout_s=5.0,
        drain_s=1.0,
        eject_s=0.1,
    )
    tasks = {"triage": TaskSettings(owned_fallback=True)} if owned else {}
    return Settings(default_provider="openai", providers=providers, gateway=waits, tasks=tasks)


def replay(*, second: bool, owned: bool, seconds: float, rate: float, one_in: int = 1, streams: bool = True) -> Outcome:
    """Play incidents to one configuration; with `streams`, every second call is streamed."""
    down = windows()
    line = timeline(down, one_in)
    speed = line.kept_s / seconds
    calls = list(_calls(line, seconds, rate, streams=streams))
    with tempfile.TemporaryDirectory() as folder, _loop() as run:
        home = Path(folder)
        _publish(home)
        recording = Recording(_log(home, calls[:2]), any_model=True)
        schedules = {name: Outages(_played(line, spans, speed)) for name, spans in down.items()}
        servers = {name: run(serve_recording(recording, faults=one)) for name, one in schedules.items()}
        urls = {name: f"http://127.0.0.1:{server.port}/v1" for name, server in servers.items()}
        loaded = Loaded(settings(urls, second=second, owned=owned), home, {})

        async def start() -> Gateway:
            gateway = Gateway(loaded, Doors(host=Unsure() if owned else None), environ={})
            await gateway.start(0)
            return gateway

        gateway = run(start())
        for schedule in schedules.values():
            schedule.begin()
        heard = drive(
            urlsplit(f"http://127.0.0.1:{gateway.port}"),
            ((n / rate, one) for n, one in enumerate(calls)),
            timeout_s=30.0,
        )
        run(gateway.stop())
        for server in servers.values():
            run(server.stop(0.0))
        recording.close()
    return _outcome(line, heard)


def _played(line: Timeline, spans: Sequence[Span], speed: float) -> list[Span]:
    """The outages that lie in what is played, in seconds of the replay."""
    found = [(line.compressed(begin) / speed, line.compressed(end) / speed) for begin, end in spans]
    return [(begin, end) for begin, end in found if end > begin]


def _outcome(line: Timeline, heard: Sequence[Heard]) -> Outcome:
    failed = sum(not one.complete for one in heard)
    share = failed / len(heard)
    return Outcome(len(heard), failed, 1 - share * line.troubled_s / (line.ended - line.began))


def _calls(line: Timeline, seconds: float, rate: float, *, streams: bool) -> Iterator[Call]:
    for number in range(round(seconds * rate)):
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "where is my money"}]
        streamed = streams and number % 2 == 1
        request = {"model": "gpt-x", "messages": messages, "temperature": 0} | ({"stream": True} if streamed else {})
        choice = {"index": 0, "message": {"role": "assistant", "content": "refund"}, "finish_reason": "stop"}
        response = {"id": "r", "object": "chat.completion", "created": 1, "model": "gpt-x", "choices": [choice]}
        at = line.moment(number / rate * line.kept_s / seconds)
        yield Call(
            id=f"call-{number}",
            started_at_us=round(at * 1e6),
            latency_ms=1.0,
            provider="openai",
            model="gpt-x",
            request=json.dumps(request).encode(),
            response=json.dumps(response | {"usage": {"prompt_tokens": 9, "completion_tokens": 1}}).encode(),
        )


def _log(folder: Path, calls: Sequence[Call]) -> Path:
    log = folder / "calls.jsonl"
    lines = [b'{"request":%b,"response":%b}' % (call.request, call.response) for call in calls]
    log.write_bytes(b"\n".join(lines) + b"\n")
    return log


def _publish(home: Path) -> None:
    task = Task("task-1", "triage", "classification", (TEMPLATE,), 10, 1.0, "the same prompt")
    routes.write(routes.path(home), RouteTable(1, (task,), (ROUTE,)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--one-in", type=int, default=2)
    wanted = parser.parse_args()
    if not INCIDENTS.exists():
        print("../shared/data/provider_risk is absent: nothing to replay")
        return
    down = windows()
    line = timeline(down)
    hours = {name: sum(end - begin for begin, end in spans) / 3600 for name, spans in down.items()}
    days = (line.ended - line.began) / 86_400
    print(f"{days:,.0f} days; hours with an incident: " + ", ".join(f"{name} {h:,.0f}" for name, h in hours.items()))
    shares: dict[str, float] = {}
    for name, second, owned, streams in (
        ("one provider", False, False, True),
        ("two providers", True, False, True),
        ("one provider and an owned model", False, True, True),
        ("one provider and an owned model, no streams", False, True, False),
    ):
        played = {"seconds": wanted.seconds, "rate": wanted.rate, "one_in": wanted.one_in}
        got = replay(second=second, owned=owned, streams=streams, **played)
        shares[name] = got.availability
        print(
            f"{name}: {got.failed:,} of {got.calls:,} calls failed, {100 * got.availability:.3f} % of all time answered"
        )
    alone, *helped = shares.values()
    holds = min(helped) >= PROMISED
    ratio = round((1 - min(helped)) / (1 - alone), 4) if alone < 1 else None
    figures = {name: round(share, 6) for name, share in shares.items()}
    found = {"benchmark": "outage", "figures": figures, "must": PROMISED, "reference": "unanswered with one provider"}
    print(json.dumps(found | {"ratio": ratio, "holds": holds}))
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
