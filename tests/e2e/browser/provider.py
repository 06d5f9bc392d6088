"""A small OpenID Connect provider that signs every user in as anna, with authorisation code and PKCE (RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT = "unbraid-page"
USER_EMAIL = "anna@example.org"


class Provider:
    """The provider's signing key, and the PKCE challenges of the issued codes."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.challenges: dict[str, str] = {}
        self.error: str | None = None
        """Error code that users come back with instead of a code."""
        self.clock_offset_s = 0
        self.lifetime_s = 600
        self.refresh_token: str | None = None

    def documents(self) -> dict[str, dict[str, Any]]:
        """Public JSON documents by path."""
        address = self.address
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        discovery = {
            "issuer": address,
            "jwks_uri": f"{address}/keys",
            "authorization_endpoint": f"{address}/authorize",
            "token_endpoint": f"{address}/token",
        }
        return {
            "/.well-known/openid-configuration": discovery,
            "/keys": {"keys": [public | {"kid": "one", "alg": "RS256", "use": "sig"}]},
        }

    def authorise(self, query: dict[str, str]) -> str:
        """Issue a code. Returns the URL to redirect the browser to."""
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        if self.error is not None:
            return f"{query['redirect_uri']}?{urlencode({'error': self.error, 'state': query['state']})}"
        code = secrets.token_urlsafe()
        self.challenges[code] = query["code_challenge"]
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def tokens(self, form: dict[str, str]) -> dict[str, Any]:
        """Tokens for a code, after checking the PKCE verifier. Every refresh token is refused."""
        if form["grant_type"] == "refresh_token":
            return {"error": "invalid_grant"}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == self.challenges.pop(form["code"])
        now = int(time.time()) + self.clock_offset_s
        claims = {
            "iss": self.address,
            "aud": CLIENT,
            "sub": "anna",
            "iat": now,
            "exp": now + self.lifetime_s,
            "email": USER_EMAIL,
        }
        token = jwt.encode(claims, self.key, "RS256", headers={"kid": "one"})
        answer = {"access_token": token, "id_token": token, "token_type": "Bearer"}
        if self.refresh_token is not None:
            answer["refresh_token"] = self.refresh_token
        return answer | {"expires_in": self.lifetime_s}


@contextmanager
def running() -> Iterator[Provider]:
    """Run a provider on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorise(dict(parse_qsl(url.query))))
                self.end_headers()
            else:
                self._send_json(provider.documents().get(url.path, {}))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            answer = provider.tokens(dict(parse_qsl(body)))
            self._send_json(answer, 400 if "error" in answer else 200)

        def _send_json(self, content: dict[str, Any], status: int = 200) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider = Provider(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield provider
        server.shutdown()
