"""What the memory of the function that separates means for its speed.

Lambda gives a processor for every 1,769 MB. Every model runs with the 3,008 MB of new accounts (htdemucs takes at most
1.2 GB for two songs on two processors), and only its speed differs. `work` is that of the model, relative to htdemucs.
"""

from __future__ import annotations

MOST_MB = 10240
"""The most that Lambda gives to any account: 6 processors."""
LEAST_MB = 2048
"""Enough for htdemucs with a reserve."""
TIMEOUT_S = 900
SPEED = 0.25
"""Seconds of htdemucs for a second of song with `MOST_MB`: an estimate of docs/aws-cost.md, as is the next."""
AROUND_S = 12
"""Fetching, decoding, writing and sending."""


def song_s(seconds: float, memory_mb: int, work: float = 1.0) -> float:
    """Estimate how long a song of that many seconds takes. The speed is proportional to the memory."""
    return seconds * SPEED * work * MOST_MB / memory_mb + AROUND_S


def longest_song_min(memory_mb: int, work: float = 1.0) -> float:
    """Estimate the length of the longest song, in minutes, that a function can separate before it is stopped."""
    return (TIMEOUT_S - AROUND_S) / (SPEED * work * MOST_MB / memory_mb) / 60
