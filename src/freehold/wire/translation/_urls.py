"""`data:` URLs, and what the media types of files are called."""

from __future__ import annotations

import base64
import binascii

DOCUMENT_TYPES = {
    "pdf": "application/pdf",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "html": "text/html",
    "txt": "text/plain",
    "md": "text/markdown",
}
"""Media types by the ending of a file's name, which is also what Bedrock calls its document formats."""


def split_data_url(url: str) -> tuple[str, str] | None:
    """The media type and the base64 text of a `data:` URL, or None where it is none or not in base64."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None
    return head[5:-7].partition(";")[0].lower(), data


def data_url(media_type: str, data: str) -> str:
    """The opposite of `split_data_url`."""
    return f"data:{media_type};base64,{data}"


def type_of_name(name: str) -> str:
    """The media type that the ending of a file's name stands for, or ""."""
    return DOCUMENT_TYPES.get(name.rpartition(".")[2].lower(), "")


def plain_text(data: str) -> str | None:
    """Base64 of UTF-8 text as that text, or None."""
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
