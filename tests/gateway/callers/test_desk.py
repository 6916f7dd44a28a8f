"""Who is let in and who is not, with which words, headers and prices."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.support import keys as support
from tests.support.keys import DAY, NOON, PRICED, SECOND, Clock, bearer, budget, claim, used

from freehold.errors import (
    BudgetExhausted,
    CallerRefused,
    InvalidKey,
    KeyScope,
    MissingPrerequisite,
    PriceUnknown,
    RateLimited,
)
from freehold.gateway.callers import without_keys
from freehold.gateway.callers.spending import spending
from freehold.market.tokens import PriceBook
from freehold.registry import keys
from freehold.settings import Settings
from freehold.vocabulary import NANO_USD, Call, KeyTable, Leg, Owner, Usage


def field(lines: bytes, name: str) -> str | None:
    found = [
        line.partition(b": ")[2].decode() for line in lines.split(b"\r\n") if line.startswith(name.encode() + b":")
    ]
    assert len(found) < 2
    return found[0] if found else None


# Who calls


@pytest.mark.parametrize("header", [b"authorization", b"x-api-key", b"api-key"])
@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b""])
def test_a_key_is_known_by_any_header_that_carries_keys(tmp_path: Path, header: bytes, scheme: bytes) -> None:
    key = support.make(tmp_path).encode()
    callers = support.opened(tmp_path)
    headers = [(b"host", b"x"), (header, scheme + key), (b"accept", b"*/*")]
    found = callers.identify(headers)
    assert found is not None
    assert found.key.name == "team"
    assert without_keys(headers) == [(b"host", b"x"), (b"accept", b"*/*")]


def test_a_providers_own_key_passes_where_no_virtual_key_is_required(tmp_path: Path) -> None:
    callers = support.opened(tmp_path)
    headers = bearer("sk-abcdef")
    assert callers.identify(headers) is None
    assert callers.identify([]) is None
    assert without_keys(headers) == headers


@pytest.mark.parametrize("headers", [[], bearer("sk-abcdef"), [(b"authorization", b"Basic YTpi")]])
def test_where_a_virtual_key_is_required_nothing_else_passes(
    tmp_path: Path, headers: list[tuple[bytes, bytes]]
) -> None:
    key = support.make(tmp_path)
    callers = support.opened(tmp_path, require_key=True)
    with pytest.raises(InvalidKey) as error:
        callers.identify(headers)
    assert (error.value.status, error.value.error_code) == (401, "invalid_key")
    assert field(error.value.lines, "www-authenticate") == 'Bearer realm="freehold"'
    support.caller(callers, key)


def test_an_unknown_virtual_key_is_refused_at_once_whether_there_are_keys_or_not(tmp_path: Path) -> None:
    empty = support.opened(tmp_path)
    key = support.make(tmp_path)
    for callers in (empty, support.opened(tmp_path)):
        for guess in ("fh-", "fh-guess", key[:-1], key + "x", key.upper().replace("FH-", "fh-")):
            with pytest.raises(InvalidKey) as error:
                callers.identify(bearer(guess))
            assert guess[3:] not in str(error.value) or guess == "fh-"


def test_revocation_and_new_keys_take_effect_at_the_next_look(tmp_path: Path) -> None:
    first = support.make(tmp_path, "first")
    callers = support.opened(tmp_path)
    second = support.make(tmp_path, "second")
    support.revoke(tmp_path, "first")
    support.caller(callers, first)
    callers.refresh()
    support.caller(callers, second)
    with pytest.raises(InvalidKey, match="first was revoked") as error:
        callers.identify(bearer(first))
    assert error.value.lines.startswith(b"www-authenticate: Bearer")


def test_a_key_expires_to_the_moment(tmp_path: Path) -> None:
    clock = Clock()
    key = support.make(tmp_path, expires_at_us=(NOON + DAY) // 1000)
    callers = support.opened(tmp_path, clock=clock)
    clock.now_ns = NOON + DAY - 1000
    support.caller(callers, key)
    clock.now_ns = NOON + DAY
    with pytest.raises(InvalidKey, match="has expired") as error:
        callers.identify(bearer(key))
    assert error.value.lines.startswith(b"www-authenticate: Bearer")


def test_keys_stay_in_force_while_their_file_is_gone_or_cannot_be_read(tmp_path: Path) -> None:
    key = support.make(tmp_path)
    callers = support.opened(tmp_path)
    file = keys.path(tmp_path)
    content = file.read_bytes()
    for harm in (file.unlink, lambda: file.write_bytes(content[:40]), lambda: file.write_bytes(b"\xff")):
        harm()
        callers.refresh()
        support.caller(callers, key)
        with pytest.raises(InvalidKey):
            callers.identify(bearer("fh-other"))
        assert callers.fault is not None
        assert callers.fault.error_code == "keys_unreadable"
    file.write_bytes(content)
    callers.refresh()
    assert callers.fault is None
    pepper = tmp_path / "keys/virtual.pepper"
    pepper.rename(tmp_path / "pepper")
    support.revoke(tmp_path)
    callers.refresh()
    support.caller(callers, key)  # nobody can tell what the new file would say of it
    assert callers.fault is not None
    (tmp_path / "pepper").rename(pepper)
    callers.refresh()
    with pytest.raises(InvalidKey, match="revoked"):
        callers.identify(bearer(key))


def test_keys_that_were_never_readable_are_no_reason_to_call_a_key_wrong(tmp_path: Path) -> None:
    key = support.make(tmp_path)
    (tmp_path / "keys/virtual.pepper").unlink()
    callers = support.opened(tmp_path)
    for _ in range(2):
        with pytest.raises(MissingPrerequisite) as error:
            callers.identify(bearer(key))
    assert error.value.error_code == "keys_unreadable"
    assert callers.identify(bearer("sk-other")) is None


def test_a_process_without_descriptors_keeps_what_it_has_and_goes_on_when_it_has_some(tmp_path: Path) -> None:
    key, other = support.make(tmp_path, "one", budget=budget(1)), support.make(tmp_path, "two")
    callers, late = support.opened(tmp_path), support.opened(tmp_path)
    late.close()
    support.revoke(tmp_path, "two")
    with no_descriptors():
        callers.refresh()
        late.refresh()
        callers.admit(support.caller(callers, key), claim()).release()
        with pytest.raises(MissingPrerequisite):
            late.admit(support.caller(late, key), claim())
        support.caller(callers, other)
    callers.refresh()
    late.refresh()
    late.admit(support.caller(late, key), claim()).release()
    with pytest.raises(InvalidKey):
        callers.identify(bearer(other))


@contextmanager
def no_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


# What it is for


def test_a_key_is_for_the_models_and_tasks_it_names(tmp_path: Path) -> None:
    key = support.make(tmp_path, models=("gpt-4.1*", "claude-?"), tasks=("Sort *", "triage"))
    callers = support.opened(tmp_path)
    caller = support.caller(callers, key)
    for model, task in (("gpt-4.1-mini", "triage"), ("claude-5", "sort MAIL"), ("gpt-4.1", "TRIAGE")):
        callers.admit(caller, claim(model=model, task=task)).release()
    for model, task in (
        ("gpt-4", "triage"),
        ("GPT-4.1", "triage"),
        ("gpt-4.1", ""),
        ("gpt-4.1", "other"),
        ("", "triage"),
    ):
        for _ in range(2):
            with pytest.raises(KeyScope) as error:
                callers.admit(caller, claim(model=model, task=task))
        assert (error.value.status, error.value.error_code) == (403, "key_scope")
        assert ("model" if task == "triage" else "task") in error.value.message
        assert ("no task that has been found" in error.value.message) == (not task)


def test_names_from_clients_are_not_remembered_without_bound(tmp_path: Path) -> None:
    key = support.make(tmp_path, models=("m*",), budget=budget(1))
    callers = support.opened(tmp_path)
    caller = support.caller(callers, key)
    for n in range(5000):
        with pytest.raises(PriceUnknown):
            callers.admit(caller, claim(model=f"m{n}"))
    assert len(caller._seen) <= 1024
    assert len(callers._tariffs._known) <= 4097


# Money


def test_a_call_reserves_its_worst_case_and_is_settled_exactly(tmp_path: Path) -> None:
    key = support.make(tmp_path, budget=budget(1))
    callers = support.opened(tmp_path, reserve_output_tokens=2000)
    caller = support.caller(callers, key)

    def shown() -> tuple[float, float]:
        (only,) = spending(tmp_path, support.kept(tmp_path), NOON).values()
        return float(only.spent), float(only.reserved)

    one = callers.admit(caller, claim(1000, 500))
    assert shown() == (0, 0.006)
    two = callers.admit(caller, claim(1000, None))
    assert shown() == (0, 0.027)
    three = callers.admit(caller, claim(0, 500, choices=3))
    assert shown() == (0, 0.042)
    one.settle(Usage(input_tokens=900, output_tokens=7, reasoning_tokens=3), "up", "m")
    assert shown() == (0.00097, 0.036)
    two.settle(used(1000, 3000), "up", "m")  # longer than was reserved: counted as it is
    assert shown() == (0.03197, 0.015)
    three.add(used(100, 0), "up", "m")
    three.settle(used(0, 100), "up", "m")
    assert shown() == (0.03307, 0)


def two_providers(**prices: str) -> Settings:
    """Output of model m costs so much at each of them, input a dollar a million tokens."""
    made = {f"{name}/m": {"input_usd_per_mtok": "1", "output_usd_per_mtok": usd} for name, usd in prices.items()}
    return msgspec.convert({"prices": made, "providers": {name: {"kind": "openai"} for name in prices}}, Settings)


def test_the_dearest_of_those_who_may_answer_is_reserved_for_and_the_one_who_did_is_paid(tmp_path: Path) -> None:
    key = support.make(tmp_path, budget=budget(1))
    callers = support.opened(tmp_path, two_providers(cheap="1", dear="10"))
    caller = support.caller(callers, key)
    both = claim(0, 100, targets=(("cheap", "m"), ("dear", "m")))

    def shown() -> tuple[float, float]:
        (only,) = spending(tmp_path, support.kept(tmp_path), NOON).values()
        return float(only.spent), float(only.reserved)

    admission = callers.admit(caller, both)
    assert shown() == (0, 0.001)
    admission.settle(used(output=100), "cheap", "m-2026-01-31")  # as the answer calls it
    assert shown() == (0.0001, 0)
    callers.admit(caller, both).settle(used(output=100), "dear", "m")
    assert shown() == (0.0011, 0)
    with pytest.raises(PriceUnknown):
        callers.admit(caller, claim(0, 100, targets=(("cheap", "m"), ("local", "m"))))


def test_a_second_attempt_beside_the_first_is_reserved_for_or_not_made(tmp_path: Path) -> None:
    key, free = support.make(tmp_path, budget=budget(0.025)), support.make(tmp_path, "free")
    callers = support.opened(tmp_path)
    caller = support.caller(callers, key)
    admission = callers.admit(caller, claim(output=1000))
    assert admission.extend()
    assert not admission.extend()
    with pytest.raises(BudgetExhausted):
        callers.admit(caller, claim(output=501))
    admission.add(used(output=100), "up", "m")
    admission.settle(used(output=1000), "up", "m")
    only = spending(tmp_path, support.kept(tmp_path), NOON)[caller.key.id]
    assert (float(only.spent), float(only.reserved)) == (0.011, 0)
    assert callers.admit(support.caller(callers, free), claim()).extend()


LEG = Leg("serve", "rented", "up", "m-as-answered", "ok", usage=used(100, 10))


@pytest.mark.parametrize(
    ("owner", "legs", "micro_usd"),
    [
        ("rented", [LEG], 200),
        ("rented", [], 0),
        ("none", [replace(LEG, outcome="error", usage=None)], 0),
        ("rented", [replace(LEG, outcome="error", usage=None), replace(LEG, purpose="fallback")], 200),
        ("rented", [replace(LEG, usage=None)], 5500),  # nobody said how many tokens: as reserved
        ("rented", [LEG, replace(LEG, purpose="fallback", usage=None)], 5700),
        ("rented", [replace(LEG, outcome="cancelled", usage=Usage(output_tokens=7, estimated=True))], 570),
        ("rented", [replace(LEG, purpose="hedge", outcome="cancelled", usage=used(100)), LEG], 300),
        ("rented", [LEG, replace(LEG, purpose="shadow"), replace(LEG, purpose="audit")], 200),
        ("owned", [replace(LEG, owner="owned", provider="owned"), replace(LEG, purpose="audit")], 0),
        ("owned", [replace(LEG, outcome="incomplete")], 200),  # rescued by the owned model after a broken answer
    ],
)
def test_a_call_is_settled_by_its_legs(tmp_path: Path, owner: Owner, legs: list[Leg], micro_usd: int) -> None:
    key = support.make(tmp_path, budget=budget(1))
    callers = support.opened(tmp_path)
    admission = callers.admit(support.caller(callers, key), claim(500, 500))
    call = Call("c", 0, 1.0, "up", "m", b"", b"", owner=owner, usage=used(100, 10))
    admission.settle_call(call, legs)
    (only,) = spending(tmp_path, support.kept(tmp_path), NOON).values()
    assert (only.spent * 1_000_000, only.reserved) == (micro_usd, 0)


@pytest.mark.parametrize("dear", ["input_usd_per_mtok", "cached_usd_per_mtok", "cache_write_usd_per_mtok"])
def test_whatever_kind_of_tokens_a_prompt_turns_out_to_be_its_reservation_covers_them(
    tmp_path: Path, dear: str
) -> None:
    price = {"input_usd_per_mtok": "1", "cached_usd_per_mtok": "1", "cache_write_usd_per_mtok": "1", dear: "5"}
    settings = msgspec.convert(
        {"prices": {"up/m": price | {"output_usd_per_mtok": "0"}}, "providers": {"up": {"kind": "openai"}}}, Settings
    )
    key = support.make(tmp_path, budget=budget(0.005))
    callers = support.opened(tmp_path, settings)
    caller = support.caller(callers, key)
    with pytest.raises(BudgetExhausted):
        callers.admit(caller, claim(1001))
    usage = {"input_usd_per_mtok": Usage(1000), "cached_usd_per_mtok": Usage(0, 1000)}.get(dear, Usage(0, 0, 1000))
    callers.admit(caller, claim(1000)).settle(usage, "up", "m")
    (only,) = spending(tmp_path, support.kept(tmp_path), NOON).values()
    assert float(only.spent) == 0.005


def test_nothing_is_lost_to_rounding(tmp_path: Path) -> None:
    prices = {"up/m": {"input_usd_per_mtok": "0.02", "output_usd_per_mtok": "0.02"}}
    settings = msgspec.convert({"prices": prices, "providers": {"up": {"kind": "openai"}}}, Settings)
    key = support.make(tmp_path, budget=budget(1))
    callers = support.opened(tmp_path, settings)
    caller = support.caller(callers, key)
    for _ in range(1000):
        callers.admit(caller, claim(1)).settle(used(1), "up", "m")
    (only,) = spending(tmp_path, support.kept(tmp_path), NOON).values()
    assert only.spent * 1_000_000 == 20


def test_a_budget_is_used_to_its_last_nanodollar_and_no_further(tmp_path: Path) -> None:
    key = support.make(tmp_path, budget=budget(0.1))
    callers = support.opened(tmp_path)
    caller = support.caller(callers, key)
    callers.admit(caller, claim(output=4000)).settle(used(output=4000), "up", "m")
    under_way = callers.admit(caller, claim(output=5000))
    with pytest.raises(BudgetExhausted) as passing:
        callers.admit(caller, claim(output=1001))
    assert (passing.value.status, passing.value.error_code) == (429, "budget_exhausted")
    assert field(passing.value.lines, "retry-after") == "1"
    assert field(passing.value.lines, "x-should-retry") is None
    last = callers.admit(caller, claim(output=1000))
    under_way.settle(used(output=5000), "up", "m")
    last.settle(used(output=1000), "up", "m")
    with pytest.raises(BudgetExhausted) as final:
        callers.admit(caller, claim(output=1))
    assert field(final.value.lines, "x-should-retry") == "false"
    assert field(final.value.lines, "retry-after") is None
    assert final.value.message == (
        "the key team has spent $0.10 of its $0.10 a month, $0.00 more is reserved by calls under way, and this one "
        "may cost $0.00001; it begins anew at 2026-04-01T00:00:00Z"
    )
    callers.admit(caller, claim(output=0)).release()


def test_a_budget_begins_anew_with_its_period_and_late_calls_count_in_the_old_one(tmp_path: Path) -> None:
    clock = Clock()
    key = support.make(tmp_path, budget=budget(0.1, "day"))
    callers = support.opened(tmp_path, clock=clock)
    caller = support.caller(callers, key)
    late = callers.admit(caller, claim(output=10_000))
    clock.now_ns += DAY // 2 - 1
    with pytest.raises(BudgetExhausted):
        callers.admit(caller, claim(output=1))
    clock.now_ns += 1
    callers.admit(caller, claim(output=10_000)).settle(used(output=10_000), "up", "m")
    late.settle(used(output=1), "up", "m")
    with pytest.raises(BudgetExhausted):
        callers.admit(caller, claim(output=1))
    clock.now_ns = NOON
    callers.admit(caller, claim(output=9_999)).release()


def test_a_model_without_a_price_is_refused_under_a_budget_and_free_of_it_without(tmp_path: Path) -> None:
    key, other = support.make(tmp_path, budget=budget(1)), support.make(tmp_path, "other", rpm=60)
    callers = support.opened(tmp_path)
    with pytest.raises(PriceUnknown) as error:
        callers.admit(support.caller(callers, key), claim(provider="up", model="home-made"))
    assert (error.value.status, error.value.error_code) == (403, "price_unknown")
    assert '[prices."up/' in error.value.hint
    callers.admit(support.caller(callers, other), claim(provider="up", model="home-made")).release()


def test_list_prices_are_those_of_the_price_book_tier_by_tier(tmp_path: Path) -> None:
    settings = msgspec.convert({"providers": {"openai": {"kind": "openai"}}}, Settings)
    key = support.make(tmp_path, budget=budget(1000))
    callers = support.opened(tmp_path, settings)
    caller = support.caller(callers, key)
    at = datetime.fromtimestamp(NOON / 1e9, UTC)
    spent = 0
    for provider, model in (
        ("openai", "gpt-4.1-mini"),
        ("google", "gemini-2.5-pro"),
        ("anthropic", "claude-sonnet-4-5"),
    ):
        for size in (10, 200_000, 200_001):
            usage = Usage(size - 5, cache_read_tokens=5, output_tokens=77, reasoning_tokens=11)
            admission = callers.admit(caller, claim(size, 100, provider=provider, model=model))
            admission.settle(usage, provider, model)
            usd = PriceBook().price_usage(provider, model, usage, at).usd
            assert usd is not None
            exact = usd * NANO_USD
            (only,) = spending(tmp_path, support.kept(tmp_path), NOON).values()
            assert exact <= only.spent * NANO_USD - spent < exact + 1
            spent = int(only.spent * NANO_USD)


def test_prices_are_loaded_beside_the_loop_and_calls_under_a_budget_wait_for_them(tmp_path: Path) -> None:
    from freehold.gateway.callers import Callers

    callers = Callers(tmp_path, PRICED, Clock())
    callers.prepare()
    assert not callers._tariffs.ready  # no key has a budget
    key = support.make(tmp_path, budget=budget(1))
    gate, load = threading.Event(), callers._tariffs.load

    def slow() -> None:
        gate.wait(10)
        load()

    callers._tariffs.load = slow  # type: ignore[method-assign]
    callers.refresh()
    callers.refresh()
    with pytest.raises(MissingPrerequisite, match="being loaded"):
        callers.admit(support.caller(callers, key), claim(provider="openai", model="gpt-4.1"))
    callers.admit(support.caller(callers, key), claim()).release()  # its price is stated in the settings
    gate.set()
    assert callers._loader is not None
    callers._loader.join(10)
    callers.admit(support.caller(callers, key), claim(provider="openai", model="gpt-4.1")).release()


def test_at_a_start_a_call_that_needs_a_list_price_waits_for_it_and_others_do_not(tmp_path: Path) -> None:
    key = support.make(tmp_path, budget=budget(1))
    callers = support.opened(tmp_path)
    caller = support.caller(callers, key)
    callers.refresh()
    assert callers._loader is None, "not at once, beside the first calls"
    callers.admit(caller, claim()).release()
    assert not callers._tariffs.ready
    callers.admit(caller, claim(provider="openai", model="gpt-4.1")).release()
    assert callers._tariffs.ready


def test_a_call_that_needs_a_list_price_waits_for_the_thread_that_loads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freehold.gateway.callers import _desk

    monkeypatch.setattr(_desk, "_SOON_NS", 0)
    key = support.make(tmp_path, budget=budget(1))
    callers = support.opened(tmp_path)
    loads: list[str] = []
    begun, gate, load = threading.Event(), threading.Event(), callers._tariffs.load

    def slow() -> None:
        loads.append(threading.current_thread().name)
        begun.set()
        gate.wait(60)
        load()

    callers._tariffs.load = slow  # type: ignore[method-assign]
    callers.refresh()
    assert begun.wait(60)
    threading.Timer(0.05, gate.set).start()
    callers.admit(support.caller(callers, key), claim(provider="openai", model="gpt-4.1")).release()
    assert loads == ["freehold-prices"]


def test_list_prices_that_cannot_be_loaded_are_said_and_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freehold.gateway.callers import _desk

    key = support.make(tmp_path, budget=budget(1))
    callers = support.opened(tmp_path)
    caller, load, tries = support.caller(callers, key), callers._tariffs.load, []

    def damaged() -> None:
        tries.append(1)
        raise ImportError("of another package")

    callers._tariffs.load = damaged  # type: ignore[method-assign]
    for _ in range(3):
        with pytest.raises(MissingPrerequisite, match=r"cannot be loaded \(ImportError\)"):
            callers.admit(caller, claim(provider="openai", model="gpt-4.1"))
        callers.refresh()
    assert len(tries) == 1
    assert callers.price_fault is not None
    callers.admit(caller, claim()).release()  # its price is stated in the settings
    callers._tariffs.load = load  # type: ignore[method-assign]
    later_ns = time.monotonic_ns() + _desk._AGAIN_NS
    monkeypatch.setattr(_desk.time, "monotonic_ns", lambda: later_ns)
    callers.refresh()
    assert callers._loader is not None
    callers._loader.join(10)
    callers.admit(caller, claim(provider="openai", model="gpt-4.1")).release()
    assert callers.price_fault is None


def test_soon_after_a_start_the_list_prices_are_loaded_without_being_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freehold.gateway.callers import _desk

    monkeypatch.setattr(_desk, "_SOON_NS", 0)
    support.make(tmp_path, budget=budget(1))
    callers = support.opened(tmp_path)
    callers.refresh()
    assert callers._loader is not None
    callers._loader.join(10)
    assert callers._tariffs.ready


# Limits per minute


def test_requests_a_minute(tmp_path: Path) -> None:
    clock = Clock()
    key = support.make(tmp_path, rpm=3)
    callers, other = support.opened(tmp_path, clock=clock), support.opened(tmp_path, clock=clock)
    caller = support.caller(callers, key)
    for left, one in ((2, callers), (1, other), (0, callers)):
        admission = one.admit(support.caller(one, key), claim())
        assert field(admission.lines, "x-ratelimit-remaining-requests") == str(left)
        assert field(admission.lines, "x-ratelimit-limit-requests") == "3"
        assert field(admission.lines, "x-ratelimit-limit-tokens") is None
        admission.release()  # a call that was not made was a request all the same
    clock.now_ns += 500_000_000
    with pytest.raises(RateLimited) as error:
        callers.admit(caller, claim())
    assert (error.value.status, error.value.error_code) == (429, "rate_limited")
    assert field(error.value.lines, "retry-after") == "20"
    assert field(error.value.lines, "retry-after-ms") == "19500"
    assert field(error.value.lines, "x-ratelimit-remaining-requests") == "0"
    assert field(error.value.lines, "x-ratelimit-reset-requests") == "59.5s"
    clock.now_ns += 20 * SECOND
    other.admit(support.caller(other, key), claim()).release()
    with pytest.raises(RateLimited):
        callers.admit(caller, claim())


def test_tokens_a_minute_are_reserved_and_corrected(tmp_path: Path) -> None:
    clock = Clock()
    key = support.make(tmp_path, tpm=1000)
    callers = support.opened(tmp_path, clock=clock)
    caller = support.caller(callers, key)
    first = callers.admit(caller, claim(300, 500))
    assert field(first.lines, "x-ratelimit-remaining-tokens") == "200"
    with pytest.raises(RateLimited, match="1000 tokens a minute") as error:
        callers.admit(caller, claim(100, 200))
    assert field(error.value.lines, "retry-after") == "6"
    assert field(error.value.lines, "x-ratelimit-remaining-tokens") == "200"
    first.settle(used(250, 50), "up", "m")
    second = callers.admit(caller, claim(100, 200))
    assert field(second.lines, "x-ratelimit-remaining-tokens") == "400"
    second.release()
    third = callers.admit(caller, claim(700, 0))
    third.settle(used(100_000, 0), "up", "m")  # far more than was said: a debt, of a minute at most
    clock.now_ns += 61 * SECOND
    callers.admit(caller, claim(10, 0)).release()


def test_what_a_call_did_use_is_known_to_other_processes_after_the_next_look(tmp_path: Path) -> None:
    clock = Clock()
    key = support.make(tmp_path, tpm=1000)
    one, other = (support.opened(tmp_path, clock=clock) for _ in range(2))
    held = one.admit(support.caller(one, key), claim(900, 0))
    held.settle(used(100, 0), "up", "m")
    one.refresh()
    seen = other.admit(support.caller(other, key), claim(0, 0))
    assert field(seen.lines, "x-ratelimit-remaining-tokens") == "900"
    held = one.admit(support.caller(one, key), claim(100, 0))
    held.settle(used(300, 0), "up", "m")
    one.close()
    seen = other.admit(support.caller(other, key), claim(0, 0))
    assert field(seen.lines, "x-ratelimit-remaining-tokens") == "600"


def test_a_call_larger_than_a_minutes_worth_waits_for_a_full_bucket(tmp_path: Path) -> None:
    clock = Clock()
    key = support.make(tmp_path, tpm=1000)
    callers = support.opened(tmp_path, clock=clock)
    caller = support.caller(callers, key)
    callers.admit(caller, claim(5000, 5000)).release()
    callers.admit(caller, claim(1, 0)).settle(used(1), "up", "m")
    with pytest.raises(RateLimited) as error:
        callers.admit(caller, claim(5000, 5000))
    assert field(error.value.lines, "retry-after-ms") == "60"
    clock.now_ns += SECOND
    callers.admit(caller, claim(5000, 5000))


def test_a_refused_call_takes_from_no_limit(tmp_path: Path) -> None:
    key = support.make(tmp_path, rpm=2, tpm=1000, budget=budget(0.01))
    callers = support.opened(tmp_path)
    caller = support.caller(callers, key)
    for wrong in (claim(output=999, prompt=1500), claim(output=1, model="x"), claim(prompt=10_001, output=0)):
        for _ in range(3):
            with pytest.raises(CallerRefused):
                callers.admit(caller, wrong)
    admission = callers.admit(
        caller,
        claim(0, 900),
    )
    assert field(admission.lines, "x-ratelimit-remaining-requests") == "1"
    assert field(admission.lines, "x-ratelimit-remaining-tokens") == "100"
    admission.settle(used(0, 900), "up", "m")
    with pytest.raises(RateLimited):
        callers.admit(caller, claim(0, 200))
    admission = callers.admit(caller, claim(0, 100))
    assert field(admission.lines, "x-ratelimit-remaining-requests") == "0"


def test_anthropics_clients_get_anthropics_headers(tmp_path: Path) -> None:
    key = support.make(tmp_path, rpm=60)
    callers = support.opened(tmp_path)
    caller = support.caller(callers, key)
    admission = callers.admit(caller, claim(dialect="anthropic.messages"))
    assert field(admission.lines, "anthropic-ratelimit-requests-remaining") == "59"
    assert field(admission.lines, "anthropic-ratelimit-requests-reset") == "2026-03-04T12:00:01Z"


def test_a_key_without_limits_keeps_no_book_and_says_nothing(tmp_path: Path) -> None:
    key = support.make(tmp_path)
    callers = support.opened(tmp_path)
    admission = callers.admit(support.caller(callers, key), claim(10**9, None))
    assert admission.lines == b""
    admission.settle(used(5, 5), "up", "m")
    assert not (tmp_path / "budgets").exists()


def test_a_table_of_keys_says_nothing_that_helps_to_guess_one(tmp_path: Path) -> None:
    table = keys.load(keys.path(tmp_path))
    assert table == KeyTable(0)
    key = support.make(tmp_path)
    (only,) = keys.load(keys.path(tmp_path)).keys
    assert only.digest == keys.digest((tmp_path / "keys/virtual.pepper").read_bytes(), key.encode()).hex()
    assert keys.path(tmp_path).stat().st_mode & 0o077 == 0
