"""What the name of a file says about its content."""

from __future__ import annotations

import mimetypes
from pathlib import PurePath

PLAYLIST = "audio/x-mpegurl"
# Files that accompany songs: pictures, texts, documents.
_NOT_AUDIO = ("image/", "text/", "font/", "application/pdf", "application/json", "application/xml")


def is_named_audio(path: str) -> bool:
    """Whether the name of a file says that it is audio or video. Such a file that can't be read is an error."""
    kind = _kind(path)
    return kind is not None and kind.startswith(("audio/", "video/")) and kind != PLAYLIST


def is_named_otherwise(path: str) -> bool:
    """Whether the name of a file says that it is a picture, a text, a document or a playlist."""
    kind = _kind(path)
    return kind is not None and (kind.startswith(_NOT_AUDIO) or kind == PLAYLIST)


def _kind(path: str) -> str | None:
    return mimetypes.guess_type(PurePath(path).name)[0]
