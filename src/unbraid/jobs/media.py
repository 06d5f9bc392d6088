"""Media types of a session's files."""

from __future__ import annotations

OTHER = "application/octet-stream"

MEDIA_TYPES = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "opus": "audio/ogg",
    "play": OTHER,
    "json": "application/json",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mkv": "video/x-matroska",
}
"""By file name extension."""
