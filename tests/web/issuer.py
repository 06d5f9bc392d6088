"""A small OpenID Connect issuer on this machine: discovery, keys, and tokens of any kind."""

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
    """`keys` are those it publishes; `document` and `status` can be made wrong."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.keys: dict[str, tuple[Any, str]] = {}
        self.asked: list[str] = []
        self.status = 200
        self.document: dict[str, Any] = {
            "issuer": address,
            "jwks_uri": f"{address}/keys",
            "authorization_endpoint": f"{address}/authorize",
            "token_endpoint": "https://tokens.example.org/oauth2/token",
        }

    def add(self, name: str, algorithm: str = "RS256") -> None:
        """Publish another key."""
        made: Any
        if algorithm.startswith("ES"):
            made = ec.generate_private_key(ec.SECP256R1())
        else:
            made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.keys[name] = (made, algorithm)

    def token(self, key: str = "one", headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A good token, but for what is said; a claim that is None is left out."""
        now = int(time.time())
        usual = {"iss": self.address, "aud": CLIENT, "sub": "anna", "iat": now, "exp": now + 300}
        whole = {name: value for name, value in (usual | claims).items() if value is not None}
        private, algorithm = self.keys[key]
        return jwt.encode(whole, private, algorithm, headers={"kid": key} | (headers or {}))

    def published(self) -> dict[str, Any]:
        """The set of public keys."""
        found = []
        for name, (private, algorithm) in self.keys.items():
            kind = jwt.algorithms.get_default_algorithms()[algorithm]
            public = kind.to_jwk(private.public_key(), as_dict=True)
            found.append(public | {"kid": name, "alg": algorithm, "use": "sig"})
        return {"keys": found}


@contextmanager
def running() -> Iterator[Issuer]:
    """An issuer with one RSA key and one of an elliptic curve, at a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
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
