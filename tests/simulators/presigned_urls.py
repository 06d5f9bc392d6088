"""Check presigned URLs as S3 does: signature, expiry, method, address and signed headers. Moto checks none of these.

botocore's own signer (`S3SigV4QueryAuth`) computes the expected signature of the request that arrives. The other
rules are from https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html.
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
"""Credentials of the tests' own clients."""

LONGEST_S = 7 * 24 * 3600
CLOCK_SKEW = timedelta(minutes=15)


class Refused(Exception):  # noqa: N818 - an answer of S3, not a fault
    """S3 answers 403."""


def verify(
    method: str,
    url: str,
    headers: Mapping[str, str],
    now: datetime,
    secrets: Mapping[str, str] | None = None,
) -> None:
    """Raise Refused unless the URL is signed for this method, address and headers, and has not expired.

    `headers`: request headers; without `Host`, the host of the URL counts. `now`: a time with a time zone.
    `secrets`: secret key by access key; None: the credentials of the tests.
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    parameters = dict(query)
    if len(parameters) != len(query):
        raise Refused("a parameter occurs twice")
    arrived = {"host": parts.netloc} | {name.lower(): value for name, value in headers.items()}
    try:
        access_key, day, region, service, end = parameters["X-Amz-Credential"].split("/")
        signed_at = datetime.strptime(parameters["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        expires_s = int(parameters["X-Amz-Expires"])
        names = parameters["X-Amz-SignedHeaders"].split(";")
        signature = parameters["X-Amz-Signature"]
        secret = ({ACCESS_KEY: SECRET_KEY} if secrets is None else secrets)[access_key]
        if parameters["X-Amz-Algorithm"] != "AWS4-HMAC-SHA256":
            raise Refused("unknown signature algorithm")
    except (KeyError, ValueError) as error:
        raise Refused(f"not a presigned URL: {error}") from error
    if (day, service, end) != (signed_at.strftime("%Y%m%d"), "s3", "aws4_request"):
        raise Refused("signed for another day or service")
    if not 1 <= expires_s <= LONGEST_S:
        raise Refused("X-Amz-Expires is out of range")
    if not signed_at - CLOCK_SKEW <= now <= signed_at + timedelta(seconds=expires_s):
        raise Refused("expired, or not yet valid")
    unsigned = [name for name in arrived if name.startswith("x-amz-") and name not in names]
    if "host" not in names or unsigned:
        raise Refused(f"required headers are not signed: {unsigned}")
    if missing := [name for name in names if name not in arrived]:
        raise Refused(f"signed headers are missing: {missing}")
    rest = "&".join(p for p in parts.query.split("&") if not p.startswith("X-Amz-Signature="))
    request = AWSRequest(
        method=method,
        url=urlunsplit((*parts[:3], rest, "")),
        headers={name: arrived[name] for name in names},
    )
    request.context["timestamp"] = parameters["X-Amz-Date"]
    auth = S3SigV4QueryAuth(Credentials(access_key, secret), service, region, expires_s)
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    if not hmac.compare_digest(expected, signature):
        raise Refused("the signature does not match the request")
