"""Every setting with its default. `docs/settings.md` describes each; a test fails where one is missing there."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from freehold.vocabulary import Against, DataClass


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of settings: an unknown name in it is an error, not a typo that is ignored."""


class ProviderSettings(_Table, frozen=True):
    """Somebody who rents out models, or a recording that plays one.

    Keys are named by environment variable, never written here.
    """

    kind: Literal["openai", "recorded"]
    base_url: str = "https://api.openai.com/v1"
    api_key_env: str = ""
    file: str = ""
    fallback: str = ""


class GatewaySettings(_Table, frozen=True):
    """The data plane: where it listens, how long it waits, how much it keeps in memory."""

    host: str = "127.0.0.1"
    port: int = 8080
    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 120.0
    idle_timeout_s: float = 60.0
    total_timeout_s: float = 600.0
    owned_timeout_s: float = 1.0
    max_body_bytes: int = 32 * 1024 * 1024
    retries: int = 1
    drain_s: float = 10.0
    trust_replay_times: bool = False


class LedgerSettings(_Table, frozen=True):
    """The record of calls: when a hot file is closed, how many calls may wait for the disk, how careful a commit is."""

    rotate_rows: int = 50_000
    rotate_s: float = 300.0
    queue_calls: int = 20_000
    synchronous: Literal["NORMAL", "FULL"] = "NORMAL"


class TaskSettings(_Table, frozen=True):
    """What a person declares about one task, by its name or id.

    Declarations bind; nothing learned from traffic overrides them.
    """

    data_class: DataClass = "ordinary"
    alpha: float | None = None
    delta: float | None = None
    against: Against | None = None
    audit_share: float | None = None
    canary_share: float | None = None
    sample_weight: float | None = None
    monthly_growth: float | None = None


class WorkloadSettings(_Table, frozen=True):
    """What the recorded calls stand for.

    With a `sample_weight` of 100, each recorded call counts as a hundred in every verdict.
    """

    sample_weight: float = 1.0


class EconomicsSettings(_Table, frozen=True):
    """Inputs of the decision that no log shows.

    None: the default of `docs/economics.md`, with its range, listed on every verdict as assumed. `assume` gives any
    other input of that page by its name.
    """

    engineer_usd_per_year: float | None = None
    student_upkeep_hours_per_month: float | None = None
    hosting_engineer_share: float | None = None
    gold_label_usd: float | None = None
    gpu_usd_per_hour: float | None = None
    discount_rate_per_year: float | None = None
    price_decline_per_year: float | None = None
    assume: dict[str, float] = {}


class PriceSettings(_Table, frozen=True):
    """What this user pays for a model, in US dollars per million tokens; overrides every list price.

    Cached input costs as much as other input where no price of its own is given.
    """

    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    cached_usd_per_mtok: Decimal | None = None
    cache_write_usd_per_mtok: Decimal | None = None
    source: str = ""
    date: str = ""


class CertificateSettings(_Table, frozen=True):
    """How certificates are asked for where neither the command nor the task says."""

    alpha: float = 0.05
    delta: float = 0.05
    against: Against = "teacher"
    audit_share: float = 0.02
    canary_share: float = 0.1


class Settings(_Table, frozen=True):
    """Everything in `freehold.toml`. `providers` and `tasks` are keyed by name, `prices` by "provider/model"."""

    default_provider: str = ""
    providers: dict[str, ProviderSettings] = {}
    gateway: GatewaySettings = GatewaySettings()
    ledger: LedgerSettings = LedgerSettings()
    tasks: dict[str, TaskSettings] = {}
    workload: WorkloadSettings = WorkloadSettings()
    certificate: CertificateSettings = CertificateSettings()
    economics: EconomicsSettings = EconomicsSettings()
    prices: dict[str, PriceSettings] = {}
