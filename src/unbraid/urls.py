"""Addresses that settings and issuers name."""

from __future__ import annotations

from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def secure_url(value: str) -> str:
    """`value` where nobody can listen or answer in between: by HTTPS, or on this machine. Raises ValueError."""
    parts = urlsplit(value)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError("should begin with https://")
    return value
