"""Recognise files that are clearly not audio or video, by media type and first bytes, before any decoder runs."""

from __future__ import annotations

import re

import filetype  # type: ignore[import-untyped]

HEAD = 8192
"""Number of bytes needed."""

# Formats that `filetype` doesn't know: HTML, SVG, scripts, playlists. "#!AMR" begins an audio file.
_TEXT = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<!doctype|<html|<\?xml|<svg|<script|#!\s*/|#extm3u|ffconcat)", re.IGNORECASE
)

_APPLICATION = re.compile(r"(?:x-)?(?:ogg|mp4|mpeg|vnd\.rn-realmedia|octet-stream|mxf|matroska)")


def looks_like_audio(head: bytes) -> bool:
    """Return False for a picture, document, archive, program or web page.

    Unknown formats pass, because FFmpeg reads more formats than `filetype` lists.
    """
    if _TEXT.match(head):
        return False
    kind = filetype.guess(head)
    return kind is None or kind.mime.partition("/")[0] in ("audio", "video")


def may_be_audio(content_type: str) -> bool:
    """Return False for a Content-Type of other media. Browsers send an empty one for files they don't know."""
    main, _, sub = content_type.partition(";")[0].strip().lower().partition("/")
    return main in ("", "audio", "video") or (main == "application" and bool(_APPLICATION.fullmatch(sub)))
