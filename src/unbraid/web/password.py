"""One password for everyone who uses the app, such as a household.

A browser that knows it gets a signed cookie, which is valid for COOKIE_S, until the password changes. The signature
needs the secret of the data folder, so a stolen cookie doesn't help to guess the password.
"""

from __future__ import annotations

import hashlib
import hmac
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from unbraid.web.limits import Buckets

COOKIE_S = 90 * 24 * 3600
# Of wrong passwords. In total that is 28,800 a day: the million most common passwords take a month.
CLIENT_RATE_HZ, CLIENT_BURST = 1 / 30, 10
TOTAL_RATE_HZ, TOTAL_BURST = 1 / 3, 100
_ALL = "all"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a password was not accepted."""

    wait_s: float
    """Seconds until the next attempt, after too many wrong ones. 0: the password is wrong."""


class SharedPassword:
    """Checks passwords and cookies. `secret` is that of the data folder, which signs links too."""

    def __init__(
        self,
        password: str,
        secret: bytes,
        clock: Callable[[], float] = time.time,
        steady_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._digest = _digest(password)
        self._key = hmac.digest(secret, b"sign-in cookie\n" + self._digest, "sha256")
        self._clock = clock
        self._client_limits = Buckets(CLIENT_RATE_HZ, CLIENT_BURST, steady_clock)
        self._total_limit = Buckets(TOTAL_RATE_HZ, TOTAL_BURST, steady_clock)

    def check(self, password: str, client: str) -> Refusal | None:
        """Check the password that `client` sent; None: it is right."""
        # Once a limit is reached, the right password is refused too. Otherwise guessing could go on.
        wait_s = max(self._client_limits.wait(client), self._total_limit.wait(_ALL))
        if wait_s > 0:
            return Refusal(wait_s)
        if hmac.compare_digest(_digest(password), self._digest):
            return None
        self._client_limits.take(client)
        self._total_limit.take(_ALL)
        return Refusal(0)

    def cookie(self) -> str:
        """Return the value of a new cookie: its expiry in seconds since 1970, and a signature."""
        expires = str(int(self._clock()) + COOKIE_S)
        return f"{expires}.{self._sign(expires)}"

    def accepts(self, cookie: str) -> bool:
        """Whether the value of a cookie was made for this password and has not expired."""
        expires, _, signature = cookie.partition(".")
        expected = self._sign(expires).encode()
        return hmac.compare_digest(expected, signature.encode()) and int(expires) > self._clock()

    def _sign(self, expires: str) -> str:
        return hmac.digest(self._key, expires.encode(), "sha256").hex()


def _digest(password: str) -> bytes:
    """Return a hash of fixed length, so that the time of a comparison tells nothing about the password.

    Devices write the same letter with an accent in different ways; NFC is one of them.
    """
    return hashlib.sha256(unicodedata.normalize("NFC", password.strip()).encode()).digest()
