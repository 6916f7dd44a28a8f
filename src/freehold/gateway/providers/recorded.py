"""A recording that plays a provider."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from freehold.errors import MissingPrerequisite
from freehold.gateway._client import Handle, Sink
from freehold.gateway._egress import Outgoing
from freehold.gateway.recorded import Playback, Recording
from freehold.settings import GatewaySettings, ProviderSettings
from freehold.wire.known import asking, dialect


class RecordedProvider:
    """Equal requests are answered in recorded order, then with the last again. Every dialect is its own."""

    def __init__(
        self,
        name: str,
        settings: ProviderSettings,
        gateway: GatewaySettings,  # noqa: ARG002 -- every kind is made alike
        environ: Mapping[str, str],  # noqa: ARG002
    ) -> None:
        self.name = name
        self.fallback = settings.fallback
        self._file = settings.file
        self._recording: Recording | None = None

    @property
    def own_key(self) -> bool:
        """A recording asks for none, so that none is the client's."""
        return True

    def missing(self) -> str:
        """What it needs and does not have, or ""."""
        if self._recording is not None:
            return ""
        if not self._file:
            return f"the recording of provider {self.name}: providers.{self.name}.file is not set"
        return f"the recording of provider {self.name}: {self._file} cannot be found"

    def speaks(self, dialect: str) -> bool:  # noqa: ARG002 -- see the class
        """Whatever was recorded."""
        return True

    def prepare(self) -> None:
        """Index the recording. A file that is missing stays missing."""
        if self._file and Path(self._file).is_file():
            self._recording = Recording(Path(self._file))

    def transmit(self, outgoing: Outgoing, sink: Sink) -> Handle:
        """Look the request up and play its answer."""
        if self._recording is None:
            raise MissingPrerequisite(f"missing is {self.missing()}", hint=f"set providers.{self.name}.file")
        # What is no call (counting tokens) names no dialect.
        spoken = dialect(outgoing.dialect) if outgoing.dialect else asking(outgoing.path)
        return Playback(self._recording, outgoing.path, outgoing.body, sink, spoken)

    def discreet(self, told: bytes) -> bytes:
        """What it says; it has no key."""
        return told

    def close(self) -> None:
        """Close the file."""
        if self._recording is not None:
            self._recording.close()
