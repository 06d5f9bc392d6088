"""Redact logs: nothing in them may lead to a song or to a user. All processes use these rules.

Session ids are keys: anyone who knows one can open its song. Logs also leave out the keys of files, which hold ids and
song names, links with their signatures, S3 addresses and e-mail addresses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PRIVATE = re.compile(
    r"s3://[^\s'\"\\]+"
    r"|(?:inputs|outputs|mixes|kept|zips|requests)/[^\s'\"\\]+"
    r"|(?<=\?)[^\s'\"\\]*X-Amz-[^\s'\"\\]*"  # the signed part of an S3 link
    r"|[^\s'\"\\:<>@]+@[^\s'\"\\<>@]+\.\w+"  # e-mail
    r"|(?<![\w-])[\w-]{32,}",  # session ids: 32 URL-safe characters; often 36 in container invocations
    re.ASCII,
)

# Request ids: long, but they give access to nothing, and they connect the log lines of one request.
_TRACING = frozenset(
    {"request_id", "function_request_id", "xray_trace_id", "function_name", "function_arn", "correlation_id"}
)


def redact(text: str, *private: str) -> str:
    """Replace everything private in `text`, and the strings `private`, by `…`."""
    for one in filter(None, private):
        text = text.replace(one, "…")
    return _PRIVATE.sub("…", text)


def redact_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Redact all values of a log record that will become JSON, except request ids."""
    return {name: value if name in _TRACING else _redact_value(value) for name, value in record.items()}


def _redact_value(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {redact(str(name)): _redact_value(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value(inner) for inner in value]
    return redact(str(value))
