"""Nothing is lost: after a SIGKILL every call that was answered is in the ledger, or counted as dropped."""

import asyncio
import json
import os
import random
import signal
from collections import Counter

import pytest
from tests.support.gateway import request_bytes
from tests.support.gateway_process import starter

from freehold.ledger import Ledger

KILLS = 60
CLIENTS = 8


def request(number, *, stream):
    return {"model": "m", "messages": [{"role": "user", "content": f"q{number}"}]} | (
        {"stream": True} if stream else {}
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    choice = {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}
    response = {"id": "r", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    lines = [json.dumps({"request": request(n, stream=False), "response": response}) for n in range(10)]
    (home / "calls.jsonl").write_text("\n".join(lines))
    (home / "freehold.toml").write_text(f'[providers.tape]\nkind = "recorded"\nfile = "{home}/calls.jsonl"\n')
    return home


async def answered_until_killed(port, pid, rng):
    """Ids of the calls whose last byte arrived before the process died."""
    answered = []

    async def client(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while True:
                stream = rng.random() < 0.5
                writer.write(request_bytes(json.dumps(request(number, stream=stream)).encode()))
                head = await reader.readuntil(b"\r\n\r\n")
                if stream:
                    await reader.readuntil(b"0\r\n\r\n")
                else:
                    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                    await reader.readexactly(length)
                answered.append(head.partition(b"x-freehold-call-id: ")[2].partition(b"\r\n")[0].decode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    clients = [asyncio.create_task(client(number)) for number in range(CLIENTS)]
    await asyncio.sleep(rng.uniform(0.005, 0.15))
    os.kill(pid, signal.SIGKILL)
    await asyncio.gather(*clients)
    return answered


@pytest.mark.fault("host", "SIGKILL at every logging step")
@pytest.mark.slow
def test_every_answered_call_is_kept_or_counted_over_many_kills(home):
    rng = random.Random(20261121)
    answered: list[str] = []
    with starter() as gateways:
        for _ in range(KILLS):
            pid, port = gateways.start(home)
            answered += asyncio.run(answered_until_killed(port, pid, rng))
            assert gateways.wait() == -signal.SIGKILL
    ledger = Ledger(home)
    ledger.recover()
    kept = Counter(call.id for call in ledger.calls())
    losses = ledger.losses()
    missing = [call_id for call_id in answered if call_id not in kept]
    assert len(answered) == len(set(answered))
    assert len(answered) > KILLS * 10, "the load was too small to mean anything"
    assert losses.unknown_writers == 0
    assert len(missing) <= losses.dropped
    assert max(kept.values()) == 1
    # Calls whose last byte was written and did not arrive may be kept as well, never more than clients were waiting.
    assert len(kept) + losses.dropped - len(answered) <= KILLS * CLIENTS


def test_sigterm_finishes_what_runs_and_keeps_everything(home):
    async def run(port, pid):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_bytes(json.dumps(request(1, stream=False)).encode()))
        head = await reader.readuntil(b"\r\n\r\n")
        os.kill(pid, signal.SIGTERM)
        writer.close()
        return head.partition(b"x-freehold-call-id: ")[2].partition(b"\r\n")[0].decode()

    with starter() as gateways:
        pid, port = gateways.start(home)
        call_id = asyncio.run(run(port, pid))
        assert gateways.wait() == 0
    assert Ledger(home).get(call_id).outcome == "ok"
