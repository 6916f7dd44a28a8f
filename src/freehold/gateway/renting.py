"""Asking one rented model again what was asked before: for rehearsals, where no client waits for the answer.

The way out is the gateway's own: the same providers, keys, translation, deadlines and care for a provider's health, and
the one door (`_egress.send`), which lets nothing restricted pass. What differs: one attempt at a time, whose cost the
asker has bounded before; trying again is the asker's business. Never another provider, never twice at once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, NamedTuple

from freehold.errors import ConfigurationError, FreeholdError, MissingPrerequisite, NotFound, RestrictedRefused
from freehold.settings import Loaded, Settings
from freehold.vocabulary import Call, Usage
from freehold.wire.known import PATHS, dialect
from freehold.wire.translation import DEFAULT_MAX_TOKENS

from ._answers import most_prompt_tokens
from ._client import ConnectFailed
from ._egress import Outgoing, Provider
from ._exchange import Headers
from ._rental import Rental, Terms, Wanted
from ._replay import recorded_ms
from ._targets import Target, Targets
from ._try import Rented
from .callers._tariffs import Tariffs
from .providers import providers_of
from .providers._body import with_model
from .providers._translating import NOT_CARRIED
from .resilience._advice import told_wait_s
from .resilience.deadlines import Deadlines, Timetable
from .resilience.health import Health
from .resilience.judgement import judge
from .resilience.policy import TargetName, policy
from .restrictions import Restrictions

Came = Literal["answered", "refused", "failed", "hopeless"]
"""`refused`: this request, for what it is. `failed`: nobody knows what the answer would have been. `hopeless`: no other
request would fare better (no key, no money, no such model)."""

_HOPELESS = frozenset({401, 402, 403, 404, 410})
_PASSING = frozenset({408, 409, 425, 429})
_NANO = Decimal(10) ** 9


class Asked(NamedTuple):
    """What one attempt came to.

    `why` names the failure, without any content: a status, a code. `again_s`: seconds after which it is worth trying
    again; None: it is not. `billed`: the provider may have charged for it although nobody says what.
    """

    came: Came
    body: bytes = b""
    usage: Usage | None = None
    latency_ms: float = 0.0
    not_carried: tuple[str, ...] = ()
    why: str = ""
    again_s: float | None = None
    billed: bool = False


def resolve(settings: Settings, environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """Provider and model that a name stands for: `provider/model`, an alias's first target, or the default provider's.

    Raises:
        NotFound: it names no provider of the settings.
        MissingPrerequisite: it names none, and there is no default one.
        ConfigurationError: a provider in the settings makes no sense.
    """
    alias = settings.models.get(name)
    wanted = alias.targets[0] if alias is not None and alias.targets else name
    provider, slash, model = wanted.partition("/")
    if slash and model and provider in settings.providers:
        return provider, model
    if slash:
        known = ", ".join(settings.providers) or "none yet"
        raise NotFound(
            f"the settings name no provider {provider!r}; there are: {known}",
            hint=f"set [providers.{provider}] with kind and api_key_env in freehold.toml (docs/providers.md)",
        )
    found = Targets(settings, providers_of(settings, environ)).default("")
    return found.name, wanted


class Renter:
    """Asks one model at one provider. Make it in the event loop, `prepare` it, `close` it.

    Args:
        loaded: settings and home; what is restricted there is never sent.
        provider: the provider's name in the settings.
        model: the name that the provider knows the model by.
        environ: where the key is read from.
        restrictions: what may not leave.

    Raises:
        ConfigurationError: a provider in the settings makes no sense, or there is none of that name.
    """

    def __init__(
        self, loaded: Loaded, provider: str, model: str, environ: Mapping[str, str], restrictions: Restrictions
    ) -> None:
        settings = loaded.settings
        self._providers = providers_of(settings, environ)
        if provider not in self._providers:
            raise ConfigurationError(f"there is no provider {provider!r} in the settings")
        self._provider: Provider = self._providers[provider]
        self._model = model
        self._target = Target(self._provider, model, TargetName(provider, model))
        self._restrictions = restrictions
        self._output_tokens = settings.gateway.reserve_output_tokens
        self._tariffs = Tariffs(settings.prices, {name: one.address for name, one in settings.providers.items()})
        variable = settings.providers[provider].api_key_env
        self._remedy = f"export {variable}=..." if variable else f"set providers.{provider}.file"
        self.played = settings.providers[provider].kind == "recorded"
        """A recording stands in for the provider: nothing is paid, and latencies are those recorded."""
        one = settings.gateway
        waits = Deadlines(one.connect_timeout_s, one.first_byte_timeout_s, one.idle_timeout_s, one.total_timeout_s)
        loop = asyncio.get_running_loop()
        self._terms = Terms(
            Health(policy(settings)._replace(retries=0), loop.time, random.Random()),
            Timetable(waits, settings.providers, settings.tasks),
            _no_hedges,
            one.max_body_bytes,
            loop.time,
            time.monotonic,
            loop.call_later,
            _uncounted,
        )

    async def prepare(self) -> None:
        """Read keys, recordings and prices.

        Raises:
            MissingPrerequisite: the provider lacks a key or a file.
        """
        await asyncio.to_thread(self._provider.prepare)
        missing = self._provider.missing()
        if missing:
            raise MissingPrerequisite(f"missing is {missing}", hint=self._remedy)
        await asyncio.to_thread(self._tariffs.load)

    def close(self) -> None:
        """Close connections and files."""
        self._terms.health.close()
        for one in self._providers.values():
            one.close()

    def held_back(self, call: Call) -> bool:
        """Whether a call's content may not leave; True also where nobody can tell."""
        return self._restrictions.hold(call)

    def worst_usd(self, call: Call) -> Decimal | None:
        """The most that asking may cost: the prompt estimated from above, the longest answer that the request allows.

        Where the request sets no limit, `gateway.reserve_output_tokens` of output are counted; what is hidden from the
        answer (reasoning) is output. None: the price is unknown. 0 for a recording.
        """
        if self.played:
            return Decimal(0)
        chat = dialect(call.dialect).decode(call.request).chat
        limit = chat.max_completion_tokens or chat.max_tokens
        unlimited = self._output_tokens
        if not self._provider.speaks(call.dialect):  # a translation may have to set a limit where there is none
            unlimited = max(unlimited, DEFAULT_MAX_TOKENS)
        prompt = most_prompt_tokens(chat)
        tariff = self._tariffs.of(self._provider.name, self._model, prompt, time.time_ns())
        if tariff is None or tariff.partial:
            return None
        output = (chat.n or 1) * (unlimited if limit is None else limit)
        return Decimal(tariff.worst_nano_usd(prompt, output)) / _NANO

    async def ask(self, call: Call) -> Asked:
        """Ask for one recorded call, once. Never raises for what a provider does.

        Raises:
            RestrictedRefused: the call may not leave.
        """
        spoken = dialect(call.dialect)
        try:
            asked = spoken.decode(call.request)
            body = with_model(spoken.unstreamed(call.request), self._model)
        except FreeholdError as error:
            return Asked("refused", why=error.error_code)
        data_class = None if self.held_back(call) else "ordinary"
        headers: Headers = [(b"content-type", b"application/json")]
        path = PATHS.get(call.dialect, PATHS["openai.chat"]).encode()
        outgoing = Outgoing(b"POST", path, headers, body, data_class, spoken.name, trusted=False)
        waiting = _Waiting()
        began = time.monotonic()
        rental = Rental(self._terms, Wanted(spoken, outgoing, "audit", self._model, asked, streamed=False), waiting)
        rental.start((self._target,), self._terms.watch())
        try:
            result = await waiting.over
        except asyncio.CancelledError:
            rental.cancel()
            raise
        if isinstance(result.error, RestrictedRefused):
            raise result.error
        return self._meaning(result, (time.monotonic() - began) * 1000.0)

    def _meaning(self, result: Rented, waited_ms: float) -> Asked:
        lost = next((value for name, value in result.headers if name == NOT_CARRIED), b"").decode()
        not_carried = tuple(filter(None, lost.split(", ")))
        if result.outcome == "ok":
            played_ms = recorded_ms(result.headers, trusted=self.played)
            latency_ms = waited_ms if played_ms is None else played_ms
            return Asked("answered", result.body, result.usage, latency_ms, not_carried)
        return self._told(result) if result.error is None else _of_ours(result.error)

    def _told(self, result: Rented) -> Asked:
        """What a provider means by an answer that is none."""
        status, why = result.status, f"status {result.status}"
        if self.played and status == 404:
            return Asked("failed", why="recording_missing")
        verdict = judge(status, result.headers, result.body, time.time(), own_key=True).verdict
        if status in _HOPELESS or verdict == "spent":
            return Asked("hopeless", why=why)
        if status >= 500 or status in _PASSING:
            told_s = told_wait_s(result.headers, time.time())
            return Asked("failed", why=why, again_s=1.0 if told_s is None else told_s)
        return Asked("refused", why=why)


def _of_ours(error: FreeholdError) -> Asked:
    """What it means that no answer came at all."""
    if isinstance(error, MissingPrerequisite):
        return Asked("hopeless", why=error.message)
    if error.status < 500:
        return Asked("refused", why=error.error_code)
    unbilled = isinstance(error, ConnectFailed) or error.error_code == "overloaded"
    return Asked("failed", why=error.error_code, again_s=1.0 if unbilled else None, billed=not unbilled)


def _no_hedges(_task: str) -> bool:
    return False


def _uncounted(_provider: str, _purpose: str, _outcome: str) -> None:
    """Attempts are counted by whoever asks."""


class _Waiting:
    """The audience of one rental: somebody who awaits it."""

    def __init__(self) -> None:
        self.over: asyncio.Future[Rented] = asyncio.get_running_loop().create_future()

    def streaming(self, headers: Headers, data: bytes, *, first: bool) -> None:
        """A provider that streams although it was not asked to; what it sends is assembled all the same."""

    def rented(self, result: Rented, tail: bytes) -> None:  # noqa: ARG002 -- nobody is owed these bytes
        """The answer has come, or will not."""
        if not self.over.done():
            self.over.set_result(result)

    def crashed(self, fault: Exception) -> None:
        """A fault of our own."""
        if not self.over.done():
            self.over.set_exception(fault)
