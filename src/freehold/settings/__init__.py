"""Settings: what a person or a deployment may choose, each with its default, from one file and the environment."""

from ._load import FILE_NAME, HOME_VARIABLE, Loaded, answer, config_paths, load
from ._model import (
    DEFAULT_REGION,
    CertificateSettings,
    ComponentsSettings,
    EconomicsSettings,
    GatewaySettings,
    KeptSettings,
    LedgerSettings,
    ModelSettings,
    PriceSettings,
    ProviderSettings,
    RetentionSettings,
    Settings,
    TaskSettings,
    TelemetrySettings,
    WorkloadSettings,
)
from ._strategy import Skill, Strategy

__all__ = [
    "DEFAULT_REGION",
    "FILE_NAME",
    "HOME_VARIABLE",
    "CertificateSettings",
    "ComponentsSettings",
    "EconomicsSettings",
    "GatewaySettings",
    "KeptSettings",
    "LedgerSettings",
    "Loaded",
    "ModelSettings",
    "PriceSettings",
    "ProviderSettings",
    "RetentionSettings",
    "Settings",
    "Skill",
    "Strategy",
    "TaskSettings",
    "TelemetrySettings",
    "WorkloadSettings",
    "answer",
    "config_paths",
    "load",
]
