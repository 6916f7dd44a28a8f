"""Every setting with its default and its range.

`docs/settings.md` describes each; a test fails where one is missing there. Ranges refuse what cannot be meant: a
probability of 7, a negative time, a number that is none.
"""

from __future__ import annotations

from datetime import date as Date  # noqa: N812 -- a setting is called date
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from freehold.vocabulary import Against, DataClass, Outcome

from ._strategy import Frame, Place, Strategy

Probability = Annotated[float, msgspec.Meta(gt=0, lt=1)]
"""A risk or a confidence: neither never nor always can be promised."""
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Patience = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
"""Seconds that may be none at all."""
Days = Annotated[float, msgspec.Meta(ge=0, le=36_500)]
Weight = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
Rate = Annotated[float, msgspec.Meta(gt=-1, le=10)]
"""Growth or decline within a month or a year: 0.05 for 5 %."""
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=1, le=2**40)]
Processes = Annotated[int, msgspec.Meta(ge=1, le=256)]
Retries = Annotated[int, msgspec.Meta(ge=0, le=100)]
Places = Annotated[int, msgspec.Meta(ge=0, le=10**6)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=10**6)]


ProviderDialect = Literal[
    "openai.chat", "openai.responses", "openai.completions", "openai.embeddings", "anthropic.messages"
]
"""A format that a server may be said to speak."""
Bucket = Annotated[
    str, msgspec.Meta(pattern=r"^(s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9._/-]*)?)?$", examples=["s3://bucket/prefix"])
]
"""`s3://bucket/prefix`, or "" for none."""
Endpoint = Annotated[str, msgspec.Meta(pattern=r"^(https?://[^@\s]+)?$", examples=["https://s3.example.com"])]
Target = Annotated[str, msgspec.Meta(pattern=r"^[^/]+/.+$", examples=["openai/gpt-4.1-mini"])]
"""A model at a provider: `provider/model`."""


DEFAULT_REGION = "us-east-1"
_ADDRESSES = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "google": "https://generativelanguage.googleapis.com/v1beta/openai",
    "mistral": "https://api.mistral.ai/v1",
    "bedrock": "https://bedrock-runtime.{region}.amazonaws.com",
}


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of settings: an unknown name in it is an error, not a typo that is ignored."""


class ProviderSettings(_Table, frozen=True):
    """Somebody who rents out models, or a recording that plays one.

    Keys are named by environment variable, never written here.
    """

    kind: Literal["openai", "anthropic", "google", "azure", "bedrock", "mistral", "compatible", "recorded"]
    base_url: str = ""
    api_key_env: str = ""
    file: str = ""
    fallback: str = ""
    dialects: tuple[ProviderDialect, ...] = ()
    region: str = ""
    api_version: str = ""
    stream_usage: bool = False

    @property
    def address(self) -> str:
        """Its URL: the one that is set, else where its kind is known to be; "" where there is neither."""
        if self.base_url or self.kind not in _ADDRESSES:
            return self.base_url
        return _ADDRESSES[self.kind].format(region=self.region or DEFAULT_REGION)

    connect_timeout_s: Seconds | None = None
    first_byte_timeout_s: Seconds | None = None
    idle_timeout_s: Seconds | None = None
    total_timeout_s: Seconds | None = None
    max_in_flight: Limit | None = None
    processes_in: tuple[Place, ...] = ()
    frames: tuple[Frame, ...] = ()


class ModelSettings(_Table, frozen=True):
    """A name of the user's own for a model: who is asked for it, in which order."""

    targets: Annotated[tuple[Target, ...], msgspec.Meta(min_length=1)]


class GatewaySettings(_Table, frozen=True):
    """The data plane: where it listens, how long it waits, how much it keeps in memory."""

    host: str = "127.0.0.1"
    port: Port = 8080
    workers: Processes = 1
    connect_timeout_s: Seconds = 5.0
    first_byte_timeout_s: Seconds = 120.0
    idle_timeout_s: Seconds = 60.0
    total_timeout_s: Seconds = 600.0
    owned_timeout_s: Seconds = 1.0
    owned_workers: Processes = 1
    max_body_bytes: Count = 32 * 1024 * 1024
    cache_bytes: Count = 64 * 1024 * 1024
    retries: Retries = 2
    retry_share: Share = 0.2
    retry_wait_s: Patience = 20.0
    eject_after: Retries = 5
    eject_s: Seconds = 5.0
    hedge: bool = False
    max_in_flight: Limit = 2000
    max_queued: Places = 1000
    queue_timeout_s: Patience = 10.0
    drain_s: Patience = 10.0
    trust_replay_times: bool = False
    require_key: bool = False
    reserve_output_tokens: Count = 4096


class LedgerSettings(_Table, frozen=True):
    """The record of calls: when a hot file is closed, how many calls may wait for the disk, how careful a commit is.

    `segments` says where sealed segments go: "" for the home, or `s3://bucket/prefix`. Credentials and keys are no
    settings: what is named is where they are found. Bodies are encrypted where an `encryption_key` is named.
    """

    rotate_rows: Count = 50_000
    rotate_s: Seconds = 300.0
    queue_calls: Count = 20_000
    queue_bytes: Count = 16 * 1024 * 1024
    synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    end_users: Literal["keep", "hash", "drop"] = "keep"
    segments: Bucket = ""
    segments_endpoint: Endpoint = ""
    segments_region: str = ""
    segments_cache_bytes: Count = 8 * 1024 * 1024 * 1024
    segments_timeout_s: Seconds = 60.0
    encryption_key_env: str = ""
    encryption_key_file: str = ""
    encryption_previous_key_env: str = ""
    encryption_previous_key_file: str = ""


class KeptSettings(_Table, frozen=True):
    """How long calls are kept, in days from their start: what was asked and answered, and the calls themselves.

    None: as the next more general rule says. 0: for good.
    """

    bodies_days: Days | None = None
    calls_days: Days | None = None


class RetentionSettings(KeptSettings, frozen=True):
    """How long calls are kept where their task says nothing: by data class, then by outcome, then all of them.

    With `keep_gold`, calls that have gold are kept whole for good.
    """

    keep_gold: bool = False
    data_classes: dict[DataClass, KeptSettings] = {}
    outcomes: dict[Outcome, KeptSettings] = {}


class TaskSettings(Strategy, frozen=True, kw_only=True):
    """What a person declares about one task, by its name or id.

    Declarations bind; nothing learned from traffic overrides them. What is left out of its strategy is as `[strategy]`
    says.
    """

    data_class: DataClass = "ordinary"
    alpha: Probability | None = None
    delta: Probability | None = None
    against: Against | None = None
    audit_share: Share | None = None
    canary_share: Share | None = None
    sample_weight: Weight | None = None
    monthly_growth: Rate | None = None
    model: str = ""
    cache_s: Patience = 0.0
    owned_fallback: bool = False
    connect_timeout_s: Seconds | None = None
    first_byte_timeout_s: Seconds | None = None
    idle_timeout_s: Seconds | None = None
    total_timeout_s: Seconds | None = None
    hedge: bool | None = None
    retention: KeptSettings = KeptSettings()


class WorkloadSettings(_Table, frozen=True):
    """What the recorded calls stand for.

    With a `sample_weight` of 100, each recorded call counts as a hundred in every verdict and fleet.
    """

    sample_weight: Weight = 1.0


class EconomicsSettings(_Table, frozen=True):
    """Inputs of the decision that no log shows.

    None: the default of `docs/economics.md`, with its range, listed on every verdict as assumed. `assume` gives any
    other input of that page by its name.
    """

    engineer_usd_per_year: Amount | None = None
    student_upkeep_hours_per_month: Amount | None = None
    hosting_engineer_share: Amount | None = None
    gold_label_usd: Amount | None = None
    gpu_usd_per_hour: Amount | None = None
    discount_rate_per_year: Rate | None = None
    price_decline_per_year: Share | None = None
    assume: dict[str, float] = {}


class PriceSettings(_Table, frozen=True):
    """What this user pays for a model, in US dollars per million tokens; overrides every list price.

    Either prices, of input and output at least, or a `discount` on the list price (0.15: 15 % less). Cached input, and
    writing to a cache, cost as much as other input where no price of its own is given, and so do images; all else that
    is left out is unknown. `tier_factors` says what other service tiers cost, as factors on the standard one. It holds
    from `since` until the day before `until`, where they are given; before and after, the list price does.
    """

    input_usd_per_mtok: Decimal | None = None
    output_usd_per_mtok: Decimal | None = None
    cached_usd_per_mtok: Decimal | None = None
    cache_write_usd_per_mtok: Decimal | None = None
    source: str = ""
    date: str = ""
    cache_write_1h_usd_per_mtok: Decimal | None = None
    input_audio_usd_per_mtok: Decimal | None = None
    output_audio_usd_per_mtok: Decimal | None = None
    cached_audio_usd_per_mtok: Decimal | None = None
    input_image_usd_per_mtok: Decimal | None = None
    output_image_usd_per_mtok: Decimal | None = None
    web_search_usd: Decimal | None = None
    request_usd: Decimal | None = None
    discount: Decimal = Decimal(0)
    tier_factors: dict[str, Decimal] = {}
    since: Date | None = None
    until: Date | None = None


class CertificateSettings(_Table, frozen=True):
    """How certificates are asked for where neither the command nor the task says."""

    alpha: Probability = 0.05
    delta: Probability = 0.05
    against: Against = "teacher"
    audit_share: Share = 0.02
    canary_share: Share = 0.1


class TelemetrySettings(_Table, frozen=True):
    """Spans to a collector of OpenTelemetry. Its headers, which may hold a key, are named by environment variable."""

    otlp_endpoint: str = ""
    otlp_headers_env: str = ""
    service_name: str = "freehold"
    content: bool = False


class ComponentsSettings(_Table, frozen=True):
    """Where advisories about installed components come from, and which of them somebody decided not to count, and why.

    `osv_url` is asked with `freehold components --online` alone.
    """

    advisories: str = ""
    osv_url: Endpoint = "https://api.osv.dev"
    set_aside: dict[str, str] = {}


class Settings(_Table, frozen=True):
    """Everything in `freehold.toml`.

    `providers`, `models` and `tasks` are keyed by name, `prices` by "provider/model".
    """

    default_provider: str = ""
    providers: dict[str, ProviderSettings] = {}
    models: dict[str, ModelSettings] = {}
    gateway: GatewaySettings = GatewaySettings()
    ledger: LedgerSettings = LedgerSettings()
    retention: RetentionSettings = RetentionSettings()
    tasks: dict[str, TaskSettings] = {}
    strategy: Strategy = Strategy()
    workload: WorkloadSettings = WorkloadSettings()
    certificate: CertificateSettings = CertificateSettings()
    economics: EconomicsSettings = EconomicsSettings()
    prices: dict[str, PriceSettings] = {}
    telemetry: TelemetrySettings = TelemetrySettings()
    components: ComponentsSettings = ComponentsSettings()

    @property
    def lets_go(self) -> bool:
        """Whether any call, or its content, is kept for a time only."""
        kept = [self.retention, *self.retention.data_classes.values(), *self.retention.outcomes.values()]
        kept += [task.retention for task in self.tasks.values()]
        return any(one.bodies_days or one.calls_days for one in kept)
