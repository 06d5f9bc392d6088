"""Limits on requests, and expiry times. Every number is a setting."""

from __future__ import annotations

import math
from dataclasses import dataclass

HOUR = 3600
DAY = 24 * HOUR

MAX_PARTS = 1000
"""Parts of one upload. S3 allows 10,000 and lists 1,000 in one answer."""


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
    part_bytes: int = 8 << 20
    """Size of the parts in which larger files are uploaded. S3 accepts no smaller part than 5 MB, except the last."""
    max_song_s: float = 4 * HOUR
    keep_free_bytes: int = 512 << 20
    """Free disk space that uploads must leave, for the stems."""
    max_attempts: int = 3
    """Attempts at a session before it fails."""
    per_owner_active: int | None = None
    """Sessions of one owner that may wait or run at the same time; None: any number."""
    max_batch: int = 100
    max_kept: int = 100
    """Songs of one owner that are exempt from expiry."""
    models: tuple[str, ...] | None = None
    """Models that users may choose; None: all of the catalogue."""


def part_bytes(size: int | None, limits: Limits) -> int | None:
    """Return the size of the parts of a file; None: it is uploaded in one piece."""
    if size is None or size <= limits.part_bytes:
        return None
    return max(limits.part_bytes, math.ceil(size / MAX_PARTS))
