"""Sign-in by OpenID Connect: valid tokens, invalid tokens, fetching of keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from tests.web.issuer import CLIENT, Issuer, running

from unbraid.api.signin import FETCH_INTERVAL_S, KEYS_MAX_AGE_S, IssuerUnavailable, NotSignedIn, SignIn


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running() as server:
        yield server


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sign_in(issuer: Issuer, clock: Clock) -> SignIn:
    return SignIn(issuer.address, CLIENT, clock)


# Tokens


def test_valid_token_names_its_user(issuer: Issuer, sign_in: SignIn) -> None:
    for key in ("one", "two"):  # RS256, ES256
        assert sign_in.user(issuer.token(key)) == f"{issuer.address} anna"
    assert sign_in.user(issuer.token(aud=["other", CLIENT])) == f"{issuer.address} anna"
    # An access token of Amazon Cognito
    assert (
        sign_in.user(issuer.token(aud=None, client_id=CLIENT, token_use="access")) == f"{issuer.address} anna"
    )


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-app"},
        {"aud": ["another-app"]},
        {"aud": None},
        {"aud": None, "client_id": "another-app"},
        {"aud": "another-app", "client_id": CLIENT},
        {"iss": "https://evil.example.org"},
        {"iss": None},
        {"exp": int(time.time()) - 120},
        {"exp": None},
        {"nbf": int(time.time()) + 86400},
        {"sub": None},
        {"sub": 7},
    ],
    ids=str,
)
def test_rejects_token_with_wrong_claims(issuer: Issuer, sign_in: SignIn, claims: dict[str, Any]) -> None:
    with pytest.raises(NotSignedIn):
        sign_in.user(issuer.token(**claims))


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def test_rejects_unsigned_token(issuer: Issuer, sign_in: SignIn) -> None:
    _, claims, _ = issuer.token().split(".")
    for algorithm in ("none", "None", "NONE", ""):
        head = encoded({"alg": algorithm, "typ": "JWT", "kid": "one"})
        for signature in ("", "x"):
            with pytest.raises(NotSignedIn):
                sign_in.user(f"{head}.{claims}.{signature}")


def test_rejects_token_signed_with_the_public_key_as_secret(issuer: Issuer, sign_in: SignIn) -> None:
    _, claims, _ = issuer.token().split(".")
    public = issuer.keys["one"][0].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': 'one'})}.{claims}"
    signature = (
        base64.urlsafe_b64encode(hmac.digest(pem, signed.encode(), hashlib.sha256)).decode().rstrip("=")
    )
    with pytest.raises(NotSignedIn):
        sign_in.user(f"{signed}.{signature}")


def test_rejects_token_signed_by_another_key(issuer: Issuer, sign_in: SignIn) -> None:
    with running() as other:
        other.address = issuer.address
        for token in (other.token("one"), other.token("two"), issuer.token("two", headers={"kid": "one"})):
            with pytest.raises(NotSignedIn):
                sign_in.user(token)


def test_ignores_key_inside_the_token(issuer: Issuer, sign_in: SignIn) -> None:
    with running() as other:
        other.address = issuer.address
        own = other.published()["keys"][0]
        for headers in ({"jwk": own}, {"jku": f"{other.address}/keys"}, {"jwk": own, "kid": "unknown"}):
            with pytest.raises(NotSignedIn):
                sign_in.user(other.token(headers=headers))
        assert other.requests == []


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "a.b", "....", "é.è.ê", "x" * 100_000, "e30.e30.e30"])
def test_rejects_malformed_token(sign_in: SignIn, token: str) -> None:
    with pytest.raises(NotSignedIn):
        sign_in.user(token)


def test_rejects_altered_token(issuer: Issuer, sign_in: SignIn) -> None:
    head, claims, signature = issuer.token().split(".")
    other = encoded(jwt.decode(issuer.token(), options={"verify_signature": False}) | {"sub": "berta"})
    with pytest.raises(NotSignedIn):
        sign_in.user(f"{head}.{other}.{signature}")
    assert sign_in.user(f"{head}.{claims}.{signature}")


# Keys


def test_fetches_keys_once_until_they_are_old(issuer: Issuer, sign_in: SignIn, clock: Clock) -> None:
    for _ in range(5):
        sign_in.user(issuer.token())
        clock.now += FETCH_INTERVAL_S + 1
    assert issuer.requests == ["/.well-known/openid-configuration", "/keys"]
    clock.now += KEYS_MAX_AGE_S
    sign_in.user(issuer.token())
    assert len(issuer.requests) == 4


def test_fetches_new_key_and_drops_old_one(issuer: Issuer, sign_in: SignIn, clock: Clock) -> None:
    old = issuer.token()
    sign_in.user(old)
    issuer.keys.clear()
    issuer.add("three")
    clock.now += FETCH_INTERVAL_S + 1
    assert sign_in.user(issuer.token("three"))
    with pytest.raises(NotSignedIn):
        sign_in.user(old)


def test_unknown_key_names_cause_one_fetch(issuer: Issuer, sign_in: SignIn, clock: Clock) -> None:
    sign_in.user(issuer.token())
    clock.now += FETCH_INTERVAL_S + 1
    for number in range(20):
        with pytest.raises(NotSignedIn):
            sign_in.user(issuer.token(headers={"kid": f"unknown {number}"}))
    assert len(issuer.requests) == 4


def test_retries_unavailable_issuer_after_an_interval(issuer: Issuer, sign_in: SignIn, clock: Clock) -> None:
    issuer.status = 500
    for _ in range(5):
        with pytest.raises(IssuerUnavailable):
            sign_in.user(issuer.token())
    assert len(issuer.requests) == 1
    issuer.status = 200
    clock.now += FETCH_INTERVAL_S + 1
    assert sign_in.user(issuer.token())
    # Known keys stay valid while the issuer is unavailable.
    issuer.status = 500
    clock.now += KEYS_MAX_AGE_S + 1
    assert sign_in.user(issuer.token())


@pytest.mark.parametrize(
    "wrong",
    [{"issuer": "https://evil.example.org"}, {"jwks_uri": None}, {"jwks_uri": "http://keys.example.org/"}],
)
def test_rejects_discovery_document_of_another_issuer(
    issuer: Issuer, sign_in: SignIn, wrong: dict[str, Any]
) -> None:
    issuer.document.update(wrong)
    with pytest.raises(IssuerUnavailable):
        sign_in.user(issuer.token())


def test_origins_are_issuer_and_its_endpoints(issuer: Issuer, sign_in: SignIn) -> None:
    assert sign_in.origins() == (issuer.address, "https://tokens.example.org")
    assert SignIn("http://127.0.0.1:9/realm", CLIENT).origins() == ("http://127.0.0.1:9",)
