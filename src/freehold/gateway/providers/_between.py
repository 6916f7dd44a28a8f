"""What stands between a provider and a rental is a sink to one and a handle to the other."""

from __future__ import annotations

from freehold.gateway._client import Handle


class Between:
    """The handle: what the rental asks of it, it asks of `handle`, which is set once the request has been sent."""

    handle: Handle | None = None

    def cancel(self) -> None:
        """Give it up at once."""
        handle, self.handle = self.handle, None
        if handle is not None:
            handle.cancel()

    def pause(self) -> None:
        """Read no further."""
        if self.handle is not None:
            self.handle.pause()

    def resume(self) -> None:
        """Read on."""
        if self.handle is not None:
            self.handle.resume()
