"""Azure OpenAI, in both of its forms."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import quote

import msgspec

from freehold.errors import BadRequest
from freehold.gateway._egress import Outgoing
from freehold.gateway._exchange import Headers

from ._http import HttpProvider
from .openai import OPENAI_PATHS


class _Named(msgspec.Struct):
    model: str = ""


_named = msgspec.json.Decoder(_Named)


class AzureProvider(HttpProvider):
    """Azure OpenAI at `base_url`.

    With an address that ends in `/openai/v1`, its newer form, which is OpenAI's own with another key header. With any
    other and an `api_version`, the older one: the model is a deployment, named in the path.
    """

    spoken: ClassVar[dict[str, bytes]] = OPENAI_PATHS

    def key_lines(self) -> bytes:
        """The key, in Azure's header."""
        return b"api-key: %b\r\n" % self.key

    def payload(self, outgoing: Outgoing, path: bytes, body: bytes, headers: Headers) -> bytes:
        """The request's bytes; in the older form the path names deployment and version."""
        version = self.settings.api_version
        if version:
            prefix = b"/openai"
            if outgoing.dialect:
                prefix += b"/deployments/%b" % quote(self._deployment(body), safe="").encode()
                path = path.partition(b"?")[0]  # which version is for the settings to say
            joint = b"&" if b"?" in path else b"?"
            path = b"%b%b%bapi-version=%b" % (prefix, path, joint, quote(version, safe="").encode())
        return super().payload(outgoing, path, body, headers)

    def _deployment(self, body: bytes) -> str:
        try:
            name = _named.decode(body).model
        except msgspec.MsgspecError:
            name = ""
        if not name:
            raise BadRequest("the request names no model, and Azure needs one: it is the deployment's name")
        return name
