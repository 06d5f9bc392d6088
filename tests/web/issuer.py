"""A local OpenID Connect issuer: discovery document, keys, and valid or invalid tokens."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CLIENT = "unbraid-app"


class Issuer:
    """Tests may change `keys`, `document` and `status`; `requests` records the requested paths."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.keys: dict[str, tuple[Any, str]] = {}
        self.requests: list[str] = []
        self.status = 200
        self.document: dict[str, Any] = {
            "issuer": address,
            "jwks_uri": f"{address}/keys",
            "authorization_endpoint": f"{address}/authorize",
            "token_endpoint": "https://tokens.example.org/oauth2/token",
        }

    def add(self, name: str, algorithm: str = "RS256") -> None:
        """Publish another key."""
        private: Any
        if algorithm.startswith("ES"):
            private = ec.generate_private_key(ec.SECP256R1())
        else:
            private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.keys[name] = (private, algorithm)

    def token(self, key: str = "one", headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A valid token with these claims changed; a claim of None is left out."""
        now = int(time.time())
        defaults = {"iss": self.address, "aud": CLIENT, "sub": "anna", "iat": now, "exp": now + 300}
        merged = {name: value for name, value in (defaults | claims).items() if value is not None}
        private, algorithm = self.keys[key]
        return jwt.encode(merged, private, algorithm, headers={"kid": key} | (headers or {}))

    def published(self) -> dict[str, Any]:
        """The set of public keys."""
        keys = []
        for name, (private, algorithm) in self.keys.items():
            kind = jwt.algorithms.get_default_algorithms()[algorithm]
            public = kind.to_jwk(private.public_key(), as_dict=True)
            keys.append(public | {"kid": name, "alg": algorithm, "use": "sig"})
        return {"keys": keys}


@contextmanager
def running() -> Iterator[Issuer]:
    """Run an issuer on a free port, with one RSA key and one elliptic-curve key."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.requests.append(self.path)
            answers = {"/.well-known/openid-configuration": issuer.document, "/keys": issuer.published()}
            body = json.dumps(answers.get(self.path, {})).encode()
            self.send_response(issuer.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_address[1]}")
    issuer.add("one")
    issuer.add("two", "ES256")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
