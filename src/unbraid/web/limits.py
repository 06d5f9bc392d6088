"""How often one client may call the API: a token bucket for each (the "leaky bucket as a meter" of ITU-T I.371)."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from unbraid.web.problems import problem

# Pages, signed links (whose signature is the permission) and whoever looks whether the server lives are not counted.
FREE = ("/files/", "/assets/", "/healthz")


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class Buckets:
    """Tokens of all clients. A full bucket is forgotten, so that memory is bounded by the clients of a few seconds."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: dict[str, _Bucket] = {}
        self._next_sweep = clock()

    def take(self, client: str) -> float:
        """Take one token: 0, or the seconds until there will be one."""
        now = self._clock()
        self._forget_full(now)
        bucket = self._buckets.setdefault(client, _Bucket(self._burst, now))
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled_at) * self._rate)
        bucket.filled_at = now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._rate
        bucket.tokens -= 1
        return 0

    def _forget_full(self, now: float) -> None:
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
        """Pass the call on, or answer it."""
        if scope["type"] != "lifespan" and scope["path"] != "/" and not scope["path"].startswith(FREE):
            wait = self.buckets.take(client_of(scope))
            if wait > 0:
                seconds = math.ceil(wait)
                detail = f"Too many requests. Try again in {seconds} second{'s' * (seconds > 1)}."
                await problem(429, detail, headers={"Retry-After": str(seconds)})(scope, receive, send)
                return
        await self.app(scope, receive, send)


def client_of(scope: Scope) -> str:
    """Who calls: the address; of IPv6 its network of 64 bits, as one client has all of that."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if address.version == 6 and not address.is_loopback:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
