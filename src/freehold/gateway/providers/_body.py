"""Changing the one field of a body that an alias changes, and no other byte of its values."""

from __future__ import annotations

import msgspec

from freehold.errors import BadRequest

_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()


def with_model(body: bytes, model: str) -> bytes:
    """The same request for another model: every other value keeps its bytes, and the fields keep their order.

    Raises:
        BadRequest: the body is no JSON object.
    """
    try:
        fields = _decoder.decode(body)
    except msgspec.MsgspecError:
        raise BadRequest("the request body is not a JSON object") from None
    fields["model"] = msgspec.Raw(_encoder.encode(model))
    return _encoder.encode(fields)
