"""What is wrong with a home and with what it runs on, and the command or setting that mends it."""

from __future__ import annotations

import asyncio
import os
import re
import time
from importlib.util import find_spec
from typing import Literal

import msgspec

from freehold import settings as settings_module
from freehold.errors import FreeholdError, LedgerUnavailable
from freehold.gateway.callers.spending import spending
from freehold.gateway.providers import providers_of
from freehold.registry import keys
from freehold.settings import Settings
from freehold.supply import startup

from . import pausing, radar, retaining
from .home import Home
from .standing import standings

_RECENTLY_S = 86_400.0
_USER_OF_URL = re.compile(r"://[^/]*@")


class Ailment(msgspec.Struct, frozen=True):
    """Something that is wrong: a stable code, how bad, what, and what mends it."""

    code: str
    severity: Literal["error", "warning"]
    what: str
    mend: str


class SettingRow(msgspec.Struct, frozen=True):
    """One setting: dotted name, value as text, and where it came from."""

    name: str
    value: str
    origin: str


def examine() -> list[Ailment]:
    """Look at the settings, the ledger, the registry and every owned model that serves. Changes nothing."""
    try:
        home = Home.open()
    except FreeholdError as error:
        return [Ailment(error.error_code, "error", error.message, error.hint)]
    with home:
        found = [*_providers(home.settings), *_telemetry(home.settings), *_startup()]
        for look in (_ledger, _retention, _registry, _keys, _retirements, _gateways):
            try:
                found += look(home)
            except FreeholdError as error:
                found.append(_unusable(home, error))
            except OSError as error:
                what = f"{error.filename or home.path}: {error.strerror or type(error).__name__}"
                mend = f"make {home.path} a folder that this user may read and write"
                found.append(Ailment("os_error", "error", what, mend))
    return list(dict.fromkeys(found))  # several looks may stumble over the same thing


def write_off(home: Home, name: str) -> str:
    """Give up a damaged file of the ledger, so that the rest can be read again; returns what to tell the person.

    Raises:
        NotFound: the ledger lists no such file.
    """
    calls = home.ledger.write_off(name)
    went = "nobody knows how many" if calls is None else f"{calls:,}"
    return f"{name} is written off, and with it its calls ({went}); the file is left where it is"


def _unusable(home: Home, error: FreeholdError) -> Ailment:
    """What could not even be looked at. Its own hint may be to come here."""
    mend = error.hint
    if mend == "freehold doctor":
        mend = f"stop what else uses {home.path}; if that does not help, restore {home.path} from a backup"
    if error.error_code == "registry_unavailable":
        mend = (
            f"where the disk is full, free some of it; "
            f"where it is read-only, let this user write it and {home.path}; where it is locked, stop what holds it; "
            f"where it is broken, restore {home.path / 'control.db'} from a "
            "backup (without one, move it aside: freehold tasks finds the tasks again, and students, stages and "
            "people's decisions are lost)"
        )
    return Ailment(error.error_code, "error", error.message, mend)


def _ledger(home: Home) -> list[Ailment]:
    return [Ailment(f.code, f.severity, f.message, f.remedy) for f in home.ledger.doctor()]


def _retention(home: Home) -> list[Ailment]:
    """What the settings no longer keep and is still there, and words in them that mean nothing here."""
    if not home.settings.lets_go:
        return []
    due = retaining.expire(home, dry_run=True)
    if not due.segments:
        return []
    what = f"by the settings of retention, {due.contents:,} calls should have lost their content, {due.calls:,} be gone"
    return [Ailment("retention_due", "warning", what, "keep freehold up running, or: freehold expire")]


def _telemetry(settings: Settings) -> list[Ailment]:
    telemetry = settings.telemetry
    if not telemetry.otlp_endpoint:
        return []
    found: list[Ailment] = []
    variable = telemetry.otlp_headers_env
    if variable and not os.environ.get(variable):
        what = f"the collector of spans needs headers, and {variable} is not set"
        found.append(Ailment("missing_key", "error", what, f"export {variable}=NAME=VALUE"))
    if find_spec("opentelemetry") is None:
        what = "telemetry.otlp_endpoint is set, and the extra that sends spans is not installed"
        found.append(Ailment("missing_extra", "error", what, "pip install 'freehold[otel]'"))
    return found


def _startup() -> list[Ailment]:
    """Files that run code in every process of this Python, the gateway's with all its keys among them."""
    mend = "read it; where nobody knows it, take it out and change every key that this machine holds"
    odd = startup.odd(startup.startup_files())
    return [Ailment("startup_file", "warning", one.in_words(), f"{mend} (docs/components.md)") for one in odd]


def _gateways(home: Home) -> list[Ailment]:
    """Processes of running gateways that are down, or died within a day."""
    found: list[Ailment] = []
    for gateway in standings(home.path):
        for one in gateway.processes:
            if one.pid and one.ended_us < (time.time() - _RECENTLY_S) * 1e6:
                continue
            state = "died and runs again" if one.pid else "is down"
            found.append(
                Ailment(
                    "gateway_process_restarted" if one.pid else "gateway_process_down",
                    "warning" if one.pid else "error",
                    f"process {one.number + 1} of the gateway {gateway.pid} {state} ({one.n_restarts} restarts): "
                    f"it {one.last_end}",
                    "read what the gateway says on stderr; SIGKILL that nobody sent means that memory ran out",
                )
            )
    return found


def _providers(settings: Settings) -> list[Ailment]:
    if not settings.providers:
        return [
            Ailment(
                "no_provider",
                "warning",
                "no provider is set: calls can be imported and studied, and none can be answered",
                "set [providers.NAME] in freehold.toml (docs/settings.md)",
            )
        ]
    found: list[Ailment] = []
    names = settings.providers
    try:
        asyncio.run(_made(settings))
    except FreeholdError as error:
        found.append(Ailment(error.error_code, "error", error.message, error.hint))
    if not settings.default_provider and len(names) > 1:
        what = "which provider to rent from is unclear: it is not said"
        mend = f"set default_provider to one of {', '.join(sorted(names))}"
        found.append(Ailment("no_default_provider", "error", what, mend))
    for name, provider in names.items():
        if provider.api_key_env and not os.environ.get(provider.api_key_env):
            found.append(
                Ailment(
                    "missing_key",
                    "error",
                    f"provider {name} needs a key, and {provider.api_key_env} is not set",
                    f"export {provider.api_key_env}=...",
                )
            )
    return found


async def _made(settings: Settings) -> None:
    """Make the providers as a gateway does, which asks for a running loop."""
    providers_of(settings, os.environ)


def _registry(home: Home) -> list[Ailment]:
    from freehold.students import bundle

    from .workflows import standing

    if not (home.path / "control.db").exists():
        return []
    found: list[Ailment] = []
    audit = home.registry.verify_audit_log()
    if not audit.ok:
        what = f"the audit log was changed: entry {audit.first_bad} of {audit.n} does not fit ({audit.why})"
        mend = f"restore {home.path / 'control.db'} from a backup; until then, who allowed what is not proven"
        found.append(Ailment("audit_log_changed", "error", what, mend))
    for name in home.registry.unmatched_settings():
        what = f"settings speak of a task {name!r}, and there is none of that name"
        found.append(Ailment("unknown_task", "warning", what, "freehold tasks"))
    for what, resume in pausing.standing(home):
        found.append(Ailment("paused", "warning", what, resume))
    for name, why in standing.gone(home):
        what = f"the promise about the runs of {name} has lapsed: {why}"
        found.append(Ailment("workflow_promise_lapsed", "warning", what, f"freehold certify --workflow {name}"))
    for task in home.registry.tasks():
        record = home.registry.stage(task.id)
        if record.stage == "demoted":
            what = f"{task.name} was demoted: {record.reason}"
            found.append(Ailment("demoted", "warning", what, f"freehold train {task.name}"))
        if record.stage in ("shadow", "canary", "full") and record.student_id:
            folder = home.registry.student(record.student_id).folder(home.path)
            try:
                bundle.verify(folder)
            except FreeholdError as error:
                what = f"the owned model of {task.name} cannot be used: {error.message}"
                found.append(Ailment(error.error_code, "error", what, f"freehold train {task.name}"))
    return found


def _keys(home: Home) -> list[Ailment]:
    """Keys that nobody can be known by, and an account that cannot be read."""
    if not (home.path / "control.db").exists():
        return []
    made = [key for key in home.registry.virtual_keys() if not key.revoked_at]
    found: list[Ailment] = []
    if made:
        try:
            keys.pepper(home.path)
        except FreeholdError as error:
            found.append(Ailment(error.error_code, "error", error.message, error.hint))
    try:
        spending(home.path, made, time.time_ns())
    except FreeholdError as error:
        mend = "stop the gateway, then: freehold keys rebuild"
        found.append(Ailment(error.error_code, "error", error.message, mend))
    return found


def _retirements(home: Home) -> list[Ailment]:
    """The nearest shutdown of a model in use; how many others there are is said with it."""
    try:
        risks = radar.at_risk(home)
    except LedgerUnavailable:  # said already, by what looked at the ledger itself
        return []
    if not risks:
        return []
    provider, model, risk = risks[0]
    more = f" ({len(risks) - 1} more of the models in use are at risk)" if len(risks) > 1 else ""
    what = f"{model} of {provider or 'an unknown provider'} {radar.in_words(risk)}{more}"
    return [Ailment("model_retirement", "warning", what, "freehold models --risk")]


def settings_rows() -> list[SettingRow]:
    """Every setting with its value and origin. Secrets are no settings; a password in an address is masked."""
    loaded = settings_module.load()
    rows: list[SettingRow] = []

    def walk(value: object, name: str) -> None:
        if isinstance(value, msgspec.Struct):
            for field in value.__struct_fields__:
                walk(getattr(value, field), f"{name}.{field}" if name else field)
        elif isinstance(value, dict) and value:
            for key, inner in value.items():  # pyright: ignore[reportUnknownVariableType] - settings' own tables
                walk(inner, f"{name}.{key}")
        else:
            shown = "" if value in (None, {}) else str(value)
            if name.endswith(".base_url"):
                shown = _USER_OF_URL.sub("://***@", shown)
            rows.append(SettingRow(name, shown, loaded.origin.get(name, "default")))

    walk(loaded.settings, "")
    return rows
