"""Sign-in by OpenID Connect: whose bearer token a call carries, checked against the keys of the issuer.

OpenID Connect Discovery 1.0 says where the keys are; RFC 7517 what they look like; RFC 8725 what has to be checked.
Access tokens count as ID tokens do: Amazon Cognito's have `client_id` in place of `aud`.
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

KEPT_S = 3600.0
"""Keys are asked for again after this time,"""
AGAIN_S = 10.0
"""and for a key that isn't known, or after a failure, at most so often: tokens can be made up faster than keys are."""
LEEWAY_S = 30
TIMEOUT = urllib3.Timeout(connect=3, read=5)
LARGEST = 1 << 20  # bytes of an answer of the issuer
# Asymmetric alone: with a symmetric one, whoever knows the public key could sign.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


class NotSignedIn(Exception):  # noqa: N818 - an answer, not a fault
    """The token is none that counts here."""


class IssuerAway(Exception):  # noqa: N818
    """The issuer can't be asked for its keys now."""


@dataclass
class _Known:
    """What the issuer last said."""

    document: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, jwt.PyJWK] = field(default_factory=dict)
    asked_at: float = float("-inf")
    tried_at: float = float("-inf")


class SignIn:
    """Checks tokens of one issuer. Safe for any number of threads; the issuer is asked by one at a time."""

    def __init__(self, issuer: str, audience: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.issuer, self.audience = issuer, audience
        self._clock = clock
        self._http = urllib3.PoolManager(timeout=TIMEOUT, retries=urllib3.Retry(1, redirect=3))
        self._known = _Known()
        self._asking = threading.Lock()

    def user(self, token: str) -> str:
        """Who it is: issuer and subject. Raises NotSignedIn, IssuerAway."""
        try:
            header = jwt.get_unverified_header(token)
            if header["alg"] not in ALGORITHMS:
                raise NotSignedIn
            key = self._key(header.get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=[header["alg"]],  # PyJWT refuses a key that isn't for it
                issuer=self.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "sub"], "verify_aud": False},
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise NotSignedIn from error
        meant_for = claims.get("aud", claims.get("client_id"))
        if self.audience not in (meant_for if isinstance(meant_for, list) else [meant_for]):
            raise NotSignedIn
        return f"{self.issuer} {claims['sub']}"

    def origins(self) -> tuple[str, ...]:
        """Origins that the page calls to sign somebody in; the issuer's alone while it doesn't answer."""
        document: Mapping[str, Any] = {}
        with suppress(IssuerAway):
            document = self._fresh(None).document
        addresses = [self.issuer]
        addresses += [
            str(document[name]) for name in ("token_endpoint", "userinfo_endpoint") if name in document
        ]
        parts = [urlsplit(address) for address in addresses]
        return tuple(dict.fromkeys(f"{part.scheme}://{part.netloc}" for part in parts))

    def _key(self, name: str | None) -> jwt.PyJWK:
        keys = self._fresh(name).keys
        if name is None and len(keys) == 1:  # RFC 7517: a key needs no name where there is one
            return next(iter(keys.values()))
        if name is None or name not in keys:
            raise NotSignedIn
        return keys[name]

    def _fresh(self, name: str | None) -> _Known:
        """What the issuer says, asked anew when that is old, or doesn't have the key of that name."""
        if self._good_enough(name):
            return self._known
        with self._asking:
            if self._good_enough(name):  # another thread has just asked
                return self._known
            before = self._known
            try:
                document = self._get(self.issuer.rstrip("/") + "/.well-known/openid-configuration")
                if document.get("issuer") != self.issuer:
                    raise ValueError("another issuer")
                # Keys that come in the clear could be anybody's, but on this machine.
                keys = _keys(self._get(secure_url(document["jwks_uri"])))
                now = self._clock()
                self._known = _Known(document, keys, now, now)
            except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError) as error:
                self._known = _Known(before.document, before.keys, before.asked_at, self._clock())
                if not before.keys:
                    raise IssuerAway from error
            return self._known

    def _good_enough(self, name: str | None) -> bool:
        known, now = self._known, self._clock()
        if now - known.tried_at < AGAIN_S:
            if not known.keys:
                raise IssuerAway
            return True
        return now - known.asked_at < KEPT_S and (name is None or name in known.keys)

    def _get(self, address: str) -> dict[str, Any]:
        response = self._http.request("GET", address, preload_content=False)
        try:
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            found = json.loads(response.read(LARGEST))
        finally:
            response.release_conn()
        if not isinstance(found, dict):
            raise ValueError("not an object")
        return found


def _keys(found: Mapping[str, Any]) -> dict[str, jwt.PyJWK]:
    """The keys that sign, by name. Kinds that aren't known here are left out."""
    keys = {}
    for item in found["keys"]:
        if item.get("use", "sig") == "sig" and item.get("kty") in ("RSA", "EC", "OKP"):
            try:
                keys[str(item.get("kid", ""))] = jwt.PyJWK(item)
            except (jwt.PyJWTError, KeyError, ValueError):
                continue
    return keys
