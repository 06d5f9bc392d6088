"""Checks links as S3 does, which moto doesn't: their signature, their time, and what they were signed for.

The sums are botocore's own (`S3SigV4QueryAuth`), made anew of what arrives. What S3 asks besides is from
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY, SECRET_KEY = "testing", "testing-secret"
"""What the tests' clients sign with."""

LONGEST_S = 7 * 24 * 3600
SKEW = timedelta(minutes=15)


class Refused(Exception):  # noqa: N818 - what S3 does, not what went wrong
    """S3 answers 403."""


def verify(
    method: str,
    url: str,
    headers: Mapping[str, str],
    now: datetime,
    secrets: Mapping[str, str] | None = None,
) -> None:
    """Raise Refused unless whoever holds the secret signed just this: method, address and signed headers, in time.

    `headers`: those that arrive; `Host` is that of the URL unless it is among them. `now` knows its time zone.
    `secrets`: secret by access key; None: those of the tests.
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    said = dict(query)
    if len(said) != len(query):
        raise Refused("a parameter stands there twice")
    arrived = {"host": parts.netloc} | {name.lower(): value for name, value in headers.items()}
    try:
        access_key, day, region, service, end = said["X-Amz-Credential"].split("/")
        signed_at = datetime.strptime(said["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        expires_s = int(said["X-Amz-Expires"])
        names = said["X-Amz-SignedHeaders"].split(";")
        signature = said["X-Amz-Signature"]
        secret = ({ACCESS_KEY: SECRET_KEY} if secrets is None else secrets)[access_key]
        if said["X-Amz-Algorithm"] != "AWS4-HMAC-SHA256":
            raise Refused("another algorithm")
    except (KeyError, ValueError) as error:
        raise Refused(f"not a signed link: {error}") from error
    if (day, service, end) != (signed_at.strftime("%Y%m%d"), "s3", "aws4_request"):
        raise Refused("signed for something else")
    if not 1 <= expires_s <= LONGEST_S:
        raise Refused("a time that no link may have")
    if not signed_at - SKEW <= now <= signed_at + timedelta(seconds=expires_s):
        raise Refused("expired, or not yet valid")
    unsigned = [name for name in arrived if name.startswith("x-amz-") and name not in names]
    if "host" not in names or unsigned:
        raise Refused(f"headers that have to be signed are not: {unsigned}")
    if missing := [name for name in names if name not in arrived]:
        raise Refused(f"signed headers are missing: {missing}")
    rest = "&".join(p for p in parts.query.split("&") if not p.startswith("X-Amz-Signature="))
    request = AWSRequest(
        method=method,
        url=urlunsplit((*parts[:3], rest, "")),
        headers={name: arrived[name] for name in names},
    )
    request.context["timestamp"] = said["X-Amz-Date"]
    auth = S3SigV4QueryAuth(Credentials(access_key, secret), service, region, expires_s)
    own = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    if not hmac.compare_digest(own, signature):
        raise Refused("the signature is not that of this request")
