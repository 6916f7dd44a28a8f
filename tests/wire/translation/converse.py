"""Bedrock's Converse: the published model of its requests, and a stand-in for its streams."""

import base64
import json

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from tests.wire.translation.bodies import raw

from freehold.wire.bedrock import FrameReader, encode_frame

SERVICE = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))
INPUT = SERVICE.operation_model("Converse").input_shape
OUTPUT = SERVICE.operation_model("Converse").output_shape
EVENTS = SERVICE.operation_model("ConverseStream").output_shape.members["stream"]


def check_converse_request(body):
    """The body of a request, checked against Amazon's own model of it."""
    fields = json.loads(body)
    check(fields | {"modelId": "m"}, INPUT)
    return fields


def check(value, shape):
    """Check types, required and unknown fields as botocore does, and what it leaves to the server."""
    report = ParamValidator().validate(decoded(value, shape), shape)
    assert not report.has_errors(), report.generate_report()
    strict(value, shape)


def decoded(value, shape):
    """JSON as botocore wants its parameters: blobs as bytes."""
    if shape.type_name == "structure" and not shape.is_document_type:
        return {
            name: decoded(item, shape.members[name]) if name in shape.members else item for name, item in value.items()
        }
    if shape.type_name == "list":
        return [decoded(item, shape.member) for item in value]
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    return value


def strict(value, shape, place="$"):
    """What botocore leaves to the server: enums, the longest a text may be, the largest a number."""
    if shape.type_name == "structure" and not shape.is_document_type:
        for name, item in value.items():
            strict(item, shape.members[name], f"{place}.{name}")
    elif shape.type_name == "list":
        for number, item in enumerate(value):
            strict(item, shape.member, f"{place}[{number}]")
    elif shape.type_name == "string":
        assert not shape.enum or value in shape.enum, f"{place}: {value}"
        assert len(value) <= shape.metadata.get("max", 10**9), place
    elif shape.type_name in ("integer", "float"):
        assert shape.metadata.get("min", 0) <= value <= shape.metadata.get("max", 10**9), place


def frame(kind, **payload):
    """One event of a stream."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return encode_frame(headers, raw(payload | {"p": "abcd"}))


def check_frames(data):
    """What the stand-in streams is what Bedrock may stream."""
    for read in FrameReader().feed(data):
        payload = json.loads(read.payload)
        payload.pop("p")  # padding that hides the length; no part of the model
        check(payload, EVENTS.members[read.headers[":event-type"]])


def exception(kind, message):
    """An exception in a stream."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return encode_frame(headers, raw({"message": message}))
