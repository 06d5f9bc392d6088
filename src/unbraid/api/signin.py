"""Sign-in by OpenID Connect: check a bearer token against the keys of its issuer.

OpenID Connect Discovery 1.0 defines the address of the keys, RFC 7517 their format, RFC 8725 the checks. Access tokens
are accepted like ID tokens; access tokens of Amazon Cognito have `client_id` instead of `aud`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import jwt
import urllib3

from unbraid.urls import secure_url

KEYS_MAX_AGE_S = 3600.0
"""Keys are fetched again after this time."""
FETCH_INTERVAL_S = 10.0
"""Shortest time between two fetches, for an unknown key or after a failure. Without it, forged tokens with unknown key
names would cause one fetch each."""
LEEWAY_S = 30
TIMEOUT = urllib3.Timeout(connect=3, read=5)
MAX_ANSWER_BYTES = 1 << 20  # of the issuer
# Asymmetric algorithms only: with a symmetric one, anyone who knows the public key could sign.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


class NotSignedIn(Exception):  # noqa: N818 - an answer, not a failure
    """The token is missing or invalid."""


class IssuerUnavailable(Exception):  # noqa: N818
    """The issuer doesn't answer, and its keys are unknown."""


@dataclass
class _IssuerInfo:
    """The issuer's last answer, and when it was fetched."""

    document: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, jwt.PyJWK] = field(default_factory=dict)
    fetched_at: float = float("-inf")
    tried_at: float = float("-inf")


class SignIn:
    """Check tokens of one issuer. Thread-safe; one thread at a time fetches from the issuer."""

    def __init__(self, issuer: str, audience: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.issuer, self.audience = issuer, audience
        self._clock = clock
        self._http = urllib3.PoolManager(timeout=TIMEOUT, retries=urllib3.Retry(1, redirect=3))
        self._info = _IssuerInfo()
        self._fetching = threading.Lock()

    def user(self, token: str) -> str:
        """Return the user of a token: issuer and subject. Raises NotSignedIn, IssuerUnavailable."""
        try:
            header = jwt.get_unverified_header(token)
            if header["alg"] not in ALGORITHMS:
                raise NotSignedIn
            key = self._key(header.get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=[header["alg"]],  # PyJWT rejects a key of another type
                issuer=self.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "sub"], "verify_aud": False},
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise NotSignedIn from error
        audience = claims.get("aud", claims.get("client_id"))
        if self.audience not in (audience if isinstance(audience, list) else [audience]):
            raise NotSignedIn
        return f"{self.issuer} {claims['sub']}"

    def origins(self) -> tuple[str, ...]:
        """Origins that the page calls for a sign-in; only the issuer's own if it doesn't answer."""
        document: Mapping[str, Any] = {}
        with suppress(IssuerUnavailable):
            document = self._fresh(None).document
        urls = [self.issuer]
        urls += [str(document[name]) for name in ("token_endpoint", "userinfo_endpoint") if name in document]
        parts = [urlsplit(url) for url in urls]
        return tuple(dict.fromkeys(f"{part.scheme}://{part.netloc}" for part in parts))

    def _key(self, name: str | None) -> jwt.PyJWK:
        keys = self._fresh(name).keys
        if name is None and len(keys) == 1:  # RFC 7517: a single key needs no name
            return next(iter(keys.values()))
        if name is None or name not in keys:
            raise NotSignedIn
        return keys[name]

    def _fresh(self, name: str | None) -> _IssuerInfo:
        """The issuer's information, fetched again when it is old or lacks the key of that name."""
        if self._is_fresh(name):
            return self._info
        with self._fetching:
            if self._is_fresh(name):  # another thread has just fetched it
                return self._info
            before = self._info
            try:
                document = self._get(self.issuer.rstrip("/") + "/.well-known/openid-configuration")
                if document.get("issuer") != self.issuer:
                    raise ValueError("the document names another issuer")
                # Without TLS an attacker on the network could replace the keys. Loopback is safe.
                keys = _keys(self._get(secure_url(document["jwks_uri"])))
                now = self._clock()
                self._info = _IssuerInfo(document, keys, now, now)
            except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError) as error:
                self._info = _IssuerInfo(before.document, before.keys, before.fetched_at, self._clock())
                if not before.keys:
                    raise IssuerUnavailable from error
            return self._info

    def _is_fresh(self, name: str | None) -> bool:
        info, now = self._info, self._clock()
        if now - info.tried_at < FETCH_INTERVAL_S:
            if not info.keys:
                raise IssuerUnavailable
            return True
        return now - info.fetched_at < KEYS_MAX_AGE_S and (name is None or name in info.keys)

    def _get(self, url: str) -> dict[str, Any]:
        response = self._http.request("GET", url, preload_content=False)
        try:
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            answer = json.loads(response.read(MAX_ANSWER_BYTES))
        finally:
            response.release_conn()
        if not isinstance(answer, dict):
            raise ValueError("the answer is not a JSON object")
        return answer


def _keys(document: Mapping[str, Any]) -> dict[str, jwt.PyJWK]:
    """The signing keys by name, without keys of unknown types."""
    keys = {}
    for item in document["keys"]:
        if item.get("use", "sig") == "sig" and item.get("kty") in ("RSA", "EC", "OKP"):
            try:
                keys[str(item.get("kid", ""))] = jwt.PyJWK(item)
            except (jwt.PyJWTError, KeyError, ValueError):
                continue
    return keys
