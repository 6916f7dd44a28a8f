"""Providers that cannot be reached: nobody listens, nobody speaks, TLS does not hold."""

import time

import pytest
from tests.support.faults import SOON, ask, lives_on, renting
from tests.support.unreachable import certificate, mute, refusing, resetting, unanswered
from tests.support.upstream import CLOSE, RESET, SILENCE, Upstream, chat, http, send

at = "http://127.0.0.1:{}/v1".format


def told(seen, status=502, code="upstream_unreachable"):
    """A failure that the client sees as one, and the ledger."""
    assert (seen.status, seen.error["code"], seen.cut) == (status, code, False)
    assert (seen.call.outcome, seen.call.owner, seen.call.status) == ("error", "none", status)


@pytest.mark.fault("upstream", "connection refused")
@pytest.mark.parametrize("retries", [0, 2])
def test_refused(tmp_path, retries):
    with refusing() as port, renting(at(port), tmp_path, retries=retries) as gateway:
        seen = ask(gateway)
        told(seen)
        assert seen.attempts == ["error"] * (1 + retries)
        told(ask(gateway))


@pytest.mark.fault("upstream", "connection reset")
def test_reset_when_it_is_opened(tmp_path):
    with resetting() as port, renting(at(port), tmp_path, retries=1) as gateway:
        seen = ask(gateway)
        told(seen)
        assert seen.attempts == ["error", "error"]


@pytest.mark.fault("upstream", "connection reset")
@pytest.mark.parametrize("end", [RESET, CLOSE], ids=["reset", "close"])
def test_reset_before_an_answer_is_tried_again(up, tmp_path, end):
    with renting(up, tmp_path, retries=1) as gateway:
        up.play(end)
        up.play(send(http(200, chat("second"))))
        seen = ask(gateway)
        assert seen.status == 200
        assert b"second" in seen.body
        assert seen.attempts == ["error", "ok"]


@pytest.mark.fault("upstream", "connection reset")
def test_a_kept_connection_that_was_closed_meanwhile_costs_no_try(up, tmp_path):
    with renting(up, tmp_path) as gateway:
        up.play(send(http(200, chat())), CLOSE)
        assert ask(gateway).status == 200
        seen = ask(gateway)
        assert (seen.status, seen.attempts) == (200, ["ok"])


@pytest.mark.fault("upstream", "connection never opened")
def test_a_connection_that_does_not_open_is_given_up(tmp_path):
    with unanswered() as port, renting(at(port), tmp_path, connect_timeout_s=SOON) as gateway:
        began = time.monotonic()
        seen = ask(gateway)
        assert seen.status in {502, 504}
        assert seen.error["code"] in {"upstream_unreachable", "upstream_timeout"}
        assert seen.call.outcome == "error"
        assert SOON < time.monotonic() - began < SOON + 5.0


@pytest.mark.fault("upstream", "host name does not resolve")
def test_an_unknown_host(tmp_path):
    with renting("http://no-such-host.invalid/v1", tmp_path, connect_timeout_s=2.0) as gateway:
        seen = ask(gateway)
        assert seen.status in {502, 504}
        assert seen.error["code"].startswith("upstream_")
        assert (seen.call.outcome, seen.call.owner) == ("error", "none")


@pytest.mark.fault("upstream", "accepts and says nothing")
def test_it_accepts_and_says_nothing(tmp_path):
    with mute() as port, renting(at(port), tmp_path, first_byte_timeout_s=SOON) as gateway:
        told(ask(gateway), 504, "upstream_timeout")


@pytest.mark.fault("upstream", "accepts and says nothing")
def test_it_reads_the_request_and_says_nothing(up, tmp_path):
    with renting(up, tmp_path, first_byte_timeout_s=SOON) as gateway:
        up.play(SILENCE)
        seen = ask(gateway)
        told(seen, 504, "upstream_timeout")
        assert up.requests[-1].left.wait(4.0), "the connection to it stayed open"
        assert len(seen.attempts) == 1, "a request that may have been worked on is not sent again"


@pytest.mark.fault("upstream", "TLS fails")
def test_no_tls_is_spoken(up, tmp_path):
    before = up.bytes_received
    with renting(up.url.replace("http:", "https:"), tmp_path, connect_timeout_s=SOON) as gateway:
        told(ask(gateway))
    assert up.bytes_received == before


@pytest.mark.fault("upstream", "TLS fails")
def test_a_handshake_that_stalls(tmp_path):
    with mute() as port, renting(f"https://127.0.0.1:{port}/v1", tmp_path, connect_timeout_s=SOON) as gateway:
        told(ask(gateway))


@pytest.mark.fault("upstream", "TLS fails")
@pytest.mark.parametrize(
    ("trusted", "made"),
    [(False, {}), (True, {"host": "elsewhere.example"}), (True, {"days": -1})],
    ids=["unknown-issuer", "another-host", "out-of-date"],
)
def test_a_certificate_that_does_not_hold(tmp_path, monkeypatch, trusted, made):
    shown, context = certificate(tmp_path, **made)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(shown))
    with Upstream(tls=context) as up, renting(up.url, tmp_path / "home") as gateway:
        told(ask(gateway))
        assert up.requests == []


def test_a_certificate_that_holds(tmp_path, monkeypatch):
    """Without this the failures above could be of another kind."""
    shown, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(shown))
    with Upstream(tls=context) as up, renting(up.url, tmp_path / "home") as gateway:
        assert ask(gateway).status == 200
        lives_on(gateway, up)
