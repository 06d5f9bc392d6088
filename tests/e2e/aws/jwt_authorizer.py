"""The JWT authoriser of an HTTP API: tokens are checked against the keys that their issuer publishes.

After https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx
import jwt


class Refused(Exception):  # noqa: N818 - an answer
    """The call goes no further."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class JwtAuthorizer:
    """One authoriser of a template."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        assert said["AuthorizerType"] == "JWT"
        (source,) = said["IdentitySource"]
        assert source == "$request.header.Authorization"
        self._issuer = said["JwtConfiguration"]["Issuer"]
        self._audience = said["JwtConfiguration"]["Audience"]
        self._keys: jwt.PyJWKSet | None = None

    def claims(self, headers: Mapping[str, str], scopes: tuple[str, ...]) -> dict[str, Any]:
        """What the function is told: all claims as text, and the scopes. Raises Refused."""
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
            raise Refused(401, "Unauthorized") from error
        # Access tokens of Cognito have no audience, but the client's id.
        meant = claims.get("aud", claims.get("client_id"))
        if not set([meant] if isinstance(meant, str) else meant or ()) & set(self._audience):
            raise Refused(401, "Unauthorized")
        if claims.get("iat", 0) > time.time() + 5:
            raise Refused(401, "Unauthorized")
        granted = str(claims.get("scope", "")).split()
        if scopes and not set(scopes) & set(granted):
            raise Refused(403, "Forbidden")
        told = {name: _text(value) for name, value in claims.items()}
        return {"claims": told, "scopes": granted or None}

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
