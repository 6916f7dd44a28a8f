"""`freehold up`: one gateway or several on one port, and what becomes of them when they are killed or told to end."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest
from tests.support.fleet import gone
from tests.support.gateway import connect, read_response, request_bytes
from tests.support.up import SPENT_S, Up, up
from tests.support.upstream import Upstream, chat, chunk, event, http, send, stream, wait

from freehold import settings as settings_module
from freehold.errors import ConfigurationError
from freehold.ledger import Ledger
from freehold.services import doctoring, running, standing
from freehold.services.supervising import Watched


def home_for(folder: Path, url: str, *lines: str) -> Path:
    (folder / "freehold.toml").write_text(
        "\n".join(["[providers.up]", 'kind = "openai"', f'base_url = "{url}"', *lines]), encoding="utf-8"
    )
    return folder


def calls(gateway: Up) -> float:
    return sum(value for (name, _), value in gateway.metrics().items() if name == "freehold_calls_total")


def wait_for_calls(gateway: Up, count: int) -> None:
    """A call is counted a moment after its last byte has left."""
    until = time.monotonic() + SPENT_S
    while (counted := calls(gateway)) < count:
        assert time.monotonic() < until, f"{counted} of {count} calls were counted"
    assert counted == count


@pytest.fixture
def upstream():
    with Upstream() as far:
        far.default = (send(http(200, chat())),)
        yield far


def test_one_gateway_is_one_process_and_a_housekeeper(upstream: Upstream, tmp_path: Path) -> None:
    with up(home_for(tmp_path, upstream.url)) as gateway:
        assert len(gateway.children()) == 1
        assert gateway.gateways() == []
        assert gateway.ask() == 200
        assert gateway.metrics()["freehold_gateway_workers", ()] == 1
        assert standing.standings(tmp_path) == []
        assert gateway.end() == ""
        assert gateway.process.returncode == 0
    assert Ledger(tmp_path).count() == 1


def test_several_share_a_port_count_together_and_lose_nothing(upstream: Upstream, tmp_path: Path) -> None:
    with up(home_for(tmp_path, upstream.url), "--workers", "3") as gateway:
        assert "3 processes" in gateway.said[0]
        assert len(gateway.gateways()) == 3
        asked = 40
        assert [gateway.ask() for _ in range(asked)] == [200] * asked
        wait_for_calls(gateway, asked)
        for _ in range(10):
            assert calls(gateway) == asked, "whichever of them is asked"
        assert gateway.metrics()["freehold_gateway_workers", ()] == 3
        gateway.wait_for("freehold_ledger_written_total", asked)
        marks = list((tmp_path / "ledger" / "marks").glob("*.mark"))
        hot = {path.name.rsplit("-", 1)[0] for path in (tmp_path / "ledger" / "hot").glob("*.db")}
        assert len(marks) == 3, "each has a writer of its own"
        assert len(hot) > 1, "and several of them answered"
        assert gateway.end() == ""
        assert gateway.process.returncode == 0
    assert Ledger(tmp_path).count() == asked
    assert Ledger(tmp_path).losses().dropped == 0


def test_a_gateway_that_is_killed_comes_back_and_what_it_counted_stays(upstream: Upstream, tmp_path: Path) -> None:
    with up(home_for(tmp_path, upstream.url), "--workers", "2") as gateway:
        for _ in range(20):
            gateway.ask()
        wait_for_calls(gateway, 20)
        victim, other = gateway.gateways()
        os.kill(victim, signal.SIGKILL)
        assert "was ended by SIGKILL; it is started again in 0.1 s" in gateway.line()
        gateway.wait_for("freehold_gateway_restarts_total", 1)
        gateway.wait_for("freehold_gateway_workers", 2)
        assert other in gateway.gateways()
        assert victim not in gateway.gateways()
        for _ in range(20):
            gateway.ask()
        wait_for_calls(gateway, 40)
        (stands,) = standing.standings(tmp_path)
        assert sorted(one.n_restarts for one in stands.processes) == [0, 1]
        assert gateway.end() == ""
        assert gateway.process.returncode == 0
    assert standing.standings(tmp_path) == []


def test_a_stream_is_finished_before_the_end(upstream: Upstream, tmp_path: Path) -> None:
    release = threading.Event()
    head, _, rest = stream("a", "b").partition(chunk(event("b")))
    upstream.play(send(head), wait(release), send(chunk(event("b")) + rest))
    with up(home_for(tmp_path, upstream.url), "--workers", "2") as gateway, connect(gateway.port) as sock:
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
        sock.sendall(request_bytes(json.dumps(body).encode()))
        upstream.wait_for_request()
        gateways = gateway.gateways()
        assert len(gateways) == 2
        gateway.process.send_signal(signal.SIGTERM)
        while len(gateway.gateways()) > 1:  # the idle one is gone
            pass
        assert gateway.gateways()[0] in gateways
        with pytest.raises(ConnectionError):
            connect(gateway.port)
        release.set()
        assert read_response(sock)[2].endswith(b"data: [DONE]\n\n")
        gateway.process.wait(30)
        assert gateway.process.returncode == 0
    assert [call.outcome for call in Ledger(tmp_path).calls()] == ["ok"]


def test_when_the_parent_is_killed_everything_ends(upstream: Upstream, tmp_path: Path) -> None:
    with up(home_for(tmp_path, upstream.url), "--workers", "2") as gateway:
        gateway.ask()
        children = gateway.children()
        assert len(children) == 3
        gateway.process.kill()
        assert all(gone(pid) for pid in children)
        with pytest.raises(ConnectionError):
            connect(gateway.port)
    assert Ledger(tmp_path).count() == 1
    assert standing.standings(tmp_path) == [], "nobody holds its file"


def test_the_housekeeper_is_looked_after(upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from freehold.services import _housekeeper

    monkeypatch.setattr(_housekeeper, "_AGAIN_S", 0.0)
    with _housekeeper.Housekeeper(home_for(tmp_path, upstream.url)) as beside:
        beside.wait()
        first = beside._beside
        beside.look()
        assert beside._beside is first
        first.process.kill()
        first.process.wait()
        beside.look()
        beside.wait()
        assert beside._beside.status is None


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_is_never_shared_with_another_gateway(upstream: Upstream, tmp_path: Path, workers: str) -> None:
    with up(home_for(tmp_path, upstream.url), "--workers", "2") as gateway:
        port = str(gateway.port)
        with pytest.raises(AssertionError) as refused, up(tmp_path, "--port", port, "--workers", workers):
            pass
    assert f"port {port}, is taken" in str(refused.value)


def test_elsewhere_than_on_linux_several_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    monkeypatch.setenv("FREEHOLD_GATEWAY__WORKERS", "2")
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ConfigurationError, match=r"gateway.workers is 2.* Linux alone"):
        running.watch_over(settings_module.load())


def test_a_wrong_setting_ends_all_with_its_message(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as refused, up(home_for(tmp_path, "gopher://nowhere"), "--workers", "2"):
        pass
    assert str(refused.value).startswith("freehold: providers.up.base_url is not an http(s) URL\n  next: ")


def test_the_doctor_names_a_gateway_that_does_not_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    file = standing.StandingFile(tmp_path)
    well = Watched(0, pid=os.getpid(), ready=True, n_starts=1)
    file.write([well, Watched(1, n_starts=4, last_end="was ended by SIGKILL")])
    found = {one.code: one.what for one in doctoring.examine()}
    assert "is down (3 restarts): it was ended by SIGKILL" in found["gateway_process_down"]
    died = Watched(1, pid=os.getpid(), ready=True, n_starts=2, last_end="was ended by SIGSEGV")
    for ago_s, code in ((60, "gateway_process_restarted"), (2 * 86_400, "")):
        file.write([well, msgspec.structs.replace(died, ended_us=int((time.time() - ago_s) * 1e6))])
        found = {one.code: one.what for one in doctoring.examine() if one.code.startswith("gateway")}
        assert list(found) == ([code] if code else [])
    file.close()
    assert standing.standings(tmp_path) == []


def test_a_free_port_is_one_that_nobody_else_can_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    monkeypatch.setenv("FREEHOLD_GATEWAY__PORT", "0")
    with running._reserved(settings_module.load()) as settled:
        port = settled.settings.gateway.port
        assert port > 0
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))


def test_memory_goes_back_unless_the_environment_says_otherwise(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "3")
    with up(home_for(tmp_path, upstream.url)) as gateway:
        (housekeeper,) = gateway.children()
        settings = [
            dict(one.split("=", 1) for one in Path(f"/proc/{pid}/environ").read_text().split("\0") if "MALLOC_" in one)
            for pid in (gateway.process.pid, housekeeper)
        ]
    ours = {"MALLOC_ARENA_MAX": "3", "MALLOC_TRIM_THRESHOLD_": "262144"}
    assert settings == [ours, ours | {"MALLOC_MMAP_THRESHOLD_": "1048576"}]
