"""What people may ask for, and how long things are kept. Every number can be set."""

from __future__ import annotations

from dataclasses import dataclass

HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Limits:
    """Times are in seconds, sizes in bytes."""

    link_s: int = HOUR
    """How long a link works."""
    upload_s: int = DAY
    """How long an upload may wait to be started."""
    results_s: int = 7 * DAY
    """How long everything is kept after its end."""
    lease_s: float = 15
    """How long a session is a worker's after its last sign of life."""
    max_bytes: int = 2 << 30
    max_song_s: float = 4 * HOUR
    keep_free_bytes: int = 512 << 20
    """Uploads are refused that would leave less room than this, which stems are written to."""
    max_attempts: int = 3
    """How many times work on a session begins before it is given up."""
    per_owner_active: int | None = None
    """How many sessions of one owner may wait or be worked on at once; None: any number."""
    max_batch: int = 100
    models: tuple[str, ...] | None = None
    """Those that may be asked for; None: all that the catalogue has."""
