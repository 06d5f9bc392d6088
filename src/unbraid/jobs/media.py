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
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mkv": "video/x-matroska",
}
"""By file name extension."""

_VIDEO = frozenset(
    ["mp4", "m4v", "mkv", "mov", "webm", "avi", "mpg", "mpeg", "wmv", "flv", "3gp", "ts", "m2ts", "ogv"]
)


def is_video(file_name: str, file_type: str) -> bool:
    """Whether an uploaded file is a video, by its media type, or else by its extension."""
    if file_type.startswith(("video/", "audio/")):
        return file_type.startswith("video/")
    return file_name.rpartition(".")[2].lower() in _VIDEO
