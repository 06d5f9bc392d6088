"""Links to files in S3: whether their signature holds, which the service looks at before anything else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.requests import Request
from tests.aws.signatures import Refused, verify


def refused_link(request: Request, secrets: Mapping[str, str]) -> tuple[str, str] | None:
    """Code and message of the refusal; None: the link is good. `secrets`: by access key."""
    # As it came: another way to write the same address would have another signature.
    raw = request.scope["raw_path"].decode().partition("?")[0]
    url = f"http://{request.headers['host']}{raw}?{request.url.query}"
    try:
        verify(request.method, url, request.headers, datetime.now(UTC), secrets)
    except Refused as refused:
        return "SignatureDoesNotMatch", str(refused)
    return None
