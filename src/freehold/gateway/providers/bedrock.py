"""AWS Bedrock: the Converse API, signed with the account's own credentials."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from freehold.errors import BadRequest
from freehold.gateway._egress import Outgoing
from freehold.gateway._exchange import Headers
from freehold.settings import DEFAULT_REGION

from ._http import HttpProvider

_SERVICE = "bedrock"
_EXTRA = "pip install 'freehold[bedrock]'"


class _Asked(msgspec.Struct):
    model: str = ""
    stream: bool | None = None


_asked = msgspec.json.Decoder(_Asked)


class BedrockProvider(HttpProvider):
    """Models on AWS Bedrock in one region.

    Everything is translated to Converse or ConverseStream. Credentials come from where AWS's own tools find them
    (environment, shared files, the instance's role); the client's key never goes here. The signature follows AWS
    Signature Version 4, by botocore.
    """

    spoken: ClassVar[dict[str, bytes]] = {"bedrock.converse": b"/converse"}
    _credentials: Any = None
    _fault = "not prepared"

    @property
    def own_key(self) -> bool:
        """Always: requests are signed with the account's credentials."""
        return True

    def prepare(self) -> None:
        """Look for the credentials."""
        try:
            from botocore.session import Session
        except ImportError:
            self._fault = f"an extra that provider {self.name} needs"
            return
        self._credentials = Session().get_credentials()
        self._fault = "" if self._credentials else f"the AWS credentials of provider {self.name}"

    def missing(self) -> str:
        """What it needs and does not have, or ""."""
        return self._fault

    def remedy(self) -> str:
        """What to type where something is missing."""
        return _EXTRA if "extra" in self._fault else "export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=..."

    def relayed(self, path: bytes) -> bytes:  # noqa: ARG002 -- none does
        """Nowhere: AWS Bedrock has no files and batches of this kind."""
        raise BadRequest(f"the provider {self.name} has no such path", code="untranslatable")

    def payload(self, outgoing: Outgoing, path: bytes, body: bytes, headers: Headers) -> bytes:  # noqa: ARG002
        """The request's bytes, signed."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        asked = _asked.decode(outgoing.body)
        model = outgoing.model or asked.model
        if not model:
            raise BadRequest("the request names no model")
        action = "converse-stream" if asked.stream else "converse"
        path = b"%b/model/%b/%b" % (self.base, quote(model, safe="").encode(), action.encode())
        host = self.host.decode()
        scheme = self.url().partition("://")[0]
        request = AWSRequest(
            "POST",
            f"{scheme}://{host}{path.decode()}",
            headers={"content-type": "application/json", "host": host},
            data=body,
        )
        SigV4Auth(
            self._credentials.get_frozen_credentials(), _SERVICE, self.settings.region or DEFAULT_REGION
        ).add_auth(request)
        lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in request.headers.items())
        head = b"POST %b HTTP/1.1\r\n%bcontent-length: %d\r\n\r\n" % (path, lines.encode(), len(body))
        return head + body
