"""Checks of URLs in settings and in answers of sign-in providers."""

from __future__ import annotations

from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def secure_url(value: str) -> str:
    """Return `value` if it uses HTTPS or the loopback interface. Raises ValueError."""
    parts = urlsplit(value)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError("should begin with https://")
    return value
