"""What S3 lets pages of other origins do, by the rules of a bucket in a template.

After https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from starlette.responses import Response


class BucketCors:
    """The rules of one bucket."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self._rules: list[dict[str, Any]] = said.get("CorsConfiguration", {}).get("CorsRules", [])

    def preflight(self, headers: Mapping[str, str]) -> Response:
        """The answer to `OPTIONS`."""
        origin, method = headers.get("origin", ""), headers.get("access-control-request-method", "")
        wanted = [
            name.strip().lower() for name in headers.get("access-control-request-headers", "").split(",")
        ]
        rule = self._rule(origin, method, [name for name in wanted if name])
        if rule is None:
            message = "CORSResponse: This CORS request is not allowed."
            body = f"<Error><Code>AccessForbidden</Code><Message>{message}</Message></Error>"
            return Response(body, 403, media_type="application/xml")
        allowed = self._headers(rule, origin) | {
            "access-control-allow-methods": ", ".join(rule["AllowedMethods"])
        }
        if wanted != [""]:
            allowed["access-control-allow-headers"] = ", ".join(wanted)
        if "MaxAge" in rule:
            allowed["access-control-max-age"] = str(rule["MaxAge"])
        return Response(status_code=200, headers=allowed)

    def of_answer(self, method: str, headers: Mapping[str, str]) -> dict[str, str]:
        """What an answer to a page says besides."""
        origin = headers.get("origin", "")
        rule = self._rule(origin, method, []) if origin else None
        return {} if rule is None else self._headers(rule, origin)

    def _rule(self, origin: str, method: str, wanted: list[str]) -> dict[str, Any] | None:
        for rule in self._rules:
            allowed = [name.lower() for name in rule.get("AllowedHeaders", [])]
            if (
                any(fnmatchcase(origin, pattern) for pattern in rule["AllowedOrigins"])
                and method in rule["AllowedMethods"]
                and all(any(fnmatchcase(name, pattern) for pattern in allowed) for name in wanted)
            ):
                return rule
        return None

    @staticmethod
    def _headers(rule: Mapping[str, Any], origin: str) -> dict[str, str]:
        everybody = "*" in rule["AllowedOrigins"]
        headers = {
            "access-control-allow-origin": "*" if everybody else origin,
            "vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
        }
        if rule.get("ExposedHeaders"):
            headers["access-control-expose-headers"] = ", ".join(rule["ExposedHeaders"])
        return headers
