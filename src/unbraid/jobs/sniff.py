"""Whether a file could be sound or film, judged before anything parses it: by its type and by its first bytes."""

from __future__ import annotations

import re

import filetype  # type: ignore[import-untyped]

HEAD = 8192
"""Bytes that are looked at."""

# What `filetype` doesn't know: pages, vector pictures, scripts, lists of songs that are elsewhere. "#!AMR" is sound.
_TEXT = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<!doctype|<html|<\?xml|<svg|<script|#!\s*/|#extm3u|ffconcat)", re.IGNORECASE
)

_APPLICATION = re.compile(r"(?:x-)?(?:ogg|mp4|mpeg|vnd\.rn-realmedia|octet-stream|mxf|matroska)")


def looks_like_audio(head: bytes) -> bool:
    """False for what is plainly something else: a picture, a document, an archive, a program, a page. What nothing
    recognises passes: FFmpeg reads more formats than any list has."""
    if _TEXT.match(head):
        return False
    kind = filetype.guess(head)
    return kind is None or kind.mime.partition("/")[0] in ("audio", "video")


def may_be_audio(content_type: str) -> bool:
    """The same of a Content-Type as browsers name it; empty for a file that they don't know."""
    main, _, sub = content_type.partition(";")[0].strip().lower().partition("/")
    return main in ("", "audio", "video") or (main == "application" and bool(_APPLICATION.fullmatch(sub)))
