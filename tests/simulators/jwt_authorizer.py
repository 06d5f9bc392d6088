"""The JWT authorizer of an HTTP API: checks tokens against the keys that their issuer publishes.

Follows https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx
import jwt


class AuthorizationFailed(Exception):  # noqa: N818 - an answer
    """The API answers the call with this status and message, and invokes no function."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class JwtAuthorizer:
    """One authorizer of a template."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        assert properties["AuthorizerType"] == "JWT"
        (source,) = properties["IdentitySource"]
        assert source == "$request.header.Authorization"
        self._issuer = properties["JwtConfiguration"]["Issuer"]
        self._audience = properties["JwtConfiguration"]["Audience"]
        self._keys: jwt.PyJWKSet | None = None

    def claims(self, headers: Mapping[str, str], scopes: tuple[str, ...]) -> dict[str, Any]:
        """Claims, all as text, and scopes, as the function's event has them. Raises AuthorizationFailed."""
        token = headers.get("authorization", "").removeprefix("Bearer ").strip()
        try:
            key = self._key(jwt.get_unverified_header(token).get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                issuer=self._issuer,
                options={"verify_aud": False, "require": ["exp", "iss"]},
            )
        except (jwt.PyJWTError, KeyError) as error:
            raise AuthorizationFailed(401, "Unauthorized") from error
        # Access tokens of Cognito have a client id instead of an audience.
        audience = claims.get("aud", claims.get("client_id"))
        if not set([audience] if isinstance(audience, str) else audience or ()) & set(self._audience):
            raise AuthorizationFailed(401, "Unauthorized")
        if claims.get("iat", 0) > time.time() + 5:
            raise AuthorizationFailed(401, "Unauthorized")
        granted = str(claims.get("scope", "")).split()
        if scopes and not set(scopes) & set(granted):
            raise AuthorizationFailed(403, "Forbidden")
        return {"claims": {name: _text(value) for name, value in claims.items()}, "scopes": granted or None}

    def _key(self, name: str | None) -> Any:
        if self._keys is None:
            base = self._issuer.rstrip("/")
            document = httpx.get(f"{base}/.well-known/openid-configuration").json()
            self._keys = jwt.PyJWKSet.from_dict(httpx.get(document["jwks_uri"]).json())
        return self._keys[str(name)].key


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{' '.join(map(str, value))}]" if isinstance(value, list) else str(value)
