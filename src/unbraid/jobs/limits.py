"""Limits on requests, and expiry times. Every number is a setting."""

from __future__ import annotations

from dataclasses import dataclass

HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, sizes in bytes."""

    link_s: int = HOUR
    """Lifetime of a link."""
    upload_s: int = DAY
    """Lifetime of a session that has not been started."""
    results_s: int = 7 * DAY
    """Lifetime of a session after its end."""
    lease_s: float = 15
    """How long a worker holds a session after its last heartbeat."""
    max_bytes: int = 2 << 30
    max_song_s: float = 4 * HOUR
    keep_free_bytes: int = 512 << 20
    """Free disk space that uploads must leave, for the stems."""
    max_attempts: int = 3
    """Attempts at a session before it fails."""
    per_owner_active: int | None = None
    """Sessions of one owner that may wait or run at the same time; None: any number."""
    max_batch: int = 100
    models: tuple[str, ...] | None = None
    """Models that users may choose; None: all of the catalogue."""
