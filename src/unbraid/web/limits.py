"""Rate limits: a token bucket for each client (the "leaky bucket as a meter" of ITU-T I.371)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from unbraid.api.addresses import network_of
from unbraid.web.problems import problem

# Not counted: pages, signed links (the signature is the permission) and health checks.
FREE = ("/files/", "/assets/", "/healthz")


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class Buckets:
    """The token buckets of all clients. Full buckets are dropped, so memory holds only the clients of a few seconds."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: dict[str, _Bucket] = {}
        self._next_sweep = clock()

    def take(self, client: str) -> float:
        """Take one token and return 0, or return the seconds until one is available."""
        bucket = self._filled(client)
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._rate
        bucket.tokens -= 1
        return 0

    def wait(self, client: str) -> float:
        """Return the seconds until a token is available, without taking it; 0: now."""
        return max(0.0, (1 - self._filled(client).tokens) / self._rate)

    def _filled(self, client: str) -> _Bucket:
        """Return the bucket of a client, filled up to this moment."""
        now = self._clock()
        self._drop_full(now)
        bucket = self._buckets.setdefault(client, _Bucket(self._burst, now))
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled_at) * self._rate)
        bucket.filled_at = now
        return bucket

    def _drop_full(self, now: float) -> None:
        full_after = self._burst / self._rate
        if now >= self._next_sweep:
            self._next_sweep = now + full_after
            self._buckets = {
                client: bucket
                for client, bucket in self._buckets.items()
                if now - bucket.filled_at < full_after
            }

    def __len__(self) -> int:
        return len(self._buckets)


class RateLimit:
    """ASGI middleware: 429 with Retry-After for a client whose bucket is empty."""

    def __init__(self, app: ASGIApp, buckets: Buckets) -> None:
        self.app, self.buckets = app, buckets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "lifespan" and scope["path"] != "/" and not scope["path"].startswith(FREE):
            wait = self.buckets.take(client_of(scope))
            if wait > 0:
                seconds = math.ceil(wait)
                detail = f"Too many requests. Try again in {seconds} second{'s' * (seconds > 1)}."
                await problem(429, detail, headers={"Retry-After": str(seconds)})(scope, receive, send)
                return
        await self.app(scope, receive, send)


def client_of(scope: Scope) -> str:
    """The network of the client's address, see `network_of`."""
    return network_of(scope["client"][0] if scope.get("client") else "")
