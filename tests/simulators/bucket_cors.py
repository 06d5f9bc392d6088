"""S3's cross-origin answers (CORS), from the rules of a bucket in a template.

Follows https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from starlette.responses import Response


class BucketCors:
    """CORS rules of one bucket."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._rules: list[dict[str, Any]] = properties.get("CorsConfiguration", {}).get("CorsRules", [])

    def preflight(self, headers: Mapping[str, str]) -> Response:
        """Answer an `OPTIONS` request."""
        origin, method = headers.get("origin", ""), headers.get("access-control-request-method", "")
        requested = [
            name.strip().lower() for name in headers.get("access-control-request-headers", "").split(",")
        ]
        rule = self._rule(origin, method, [name for name in requested if name])
        if rule is None:
            message = "CORSResponse: This CORS request is not allowed."
            body = f"<Error><Code>AccessForbidden</Code><Message>{message}</Message></Error>"
            return Response(body, 403, media_type="application/xml")
        allowed = self._headers(rule, origin) | {
            "access-control-allow-methods": ", ".join(rule["AllowedMethods"])
        }
        if requested != [""]:
            allowed["access-control-allow-headers"] = ", ".join(requested)
        if "MaxAge" in rule:
            allowed["access-control-max-age"] = str(rule["MaxAge"])
        return Response(status_code=200, headers=allowed)

    def response_headers(self, method: str, headers: Mapping[str, str]) -> dict[str, str]:
        """CORS headers for the response to any other request."""
        origin = headers.get("origin", "")
        rule = self._rule(origin, method, []) if origin else None
        return {} if rule is None else self._headers(rule, origin)

    def _rule(self, origin: str, method: str, requested_headers: list[str]) -> dict[str, Any] | None:
        for rule in self._rules:
            allowed = [name.lower() for name in rule.get("AllowedHeaders", [])]
            if (
                any(fnmatchcase(origin, pattern) for pattern in rule["AllowedOrigins"])
                and method in rule["AllowedMethods"]
                and all(any(fnmatchcase(name, pattern) for pattern in allowed) for name in requested_headers)
            ):
                return rule
        return None

    @staticmethod
    def _headers(rule: Mapping[str, Any], origin: str) -> dict[str, str]:
        headers = {
            "access-control-allow-origin": "*" if "*" in rule["AllowedOrigins"] else origin,
            "vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
        }
        if rule.get("ExposedHeaders"):
            headers["access-control-expose-headers"] = ", ".join(rule["ExposedHeaders"])
        return headers
