"""Settings: what a person or a deployment may choose, each with its default, from one file and the environment."""

from ._load import FILE_NAME, HOME_VARIABLE, Loaded, config_paths, load
from ._model import (
    CertificateSettings,
    EconomicsSettings,
    GatewaySettings,
    LedgerSettings,
    PriceSettings,
    ProviderSettings,
    Settings,
    TaskSettings,
    WorkloadSettings,
)

__all__ = [
    "FILE_NAME",
    "HOME_VARIABLE",
    "CertificateSettings",
    "EconomicsSettings",
    "GatewaySettings",
    "LedgerSettings",
    "Loaded",
    "PriceSettings",
    "ProviderSettings",
    "Settings",
    "TaskSettings",
    "WorkloadSettings",
    "config_paths",
    "load",
]
