"""Read an ID3 tag in front of a format that has its own tags, such as WAV. Some editors write such files.

FFmpeg reads ID3 tags only in front of formats that expect them, so the tag is read as that of a short silent MP3.
"""

from __future__ import annotations

import io
from pathlib import Path

import av

from unbraid.audio.tags.model import Tags
from unbraid.audio.tags.read import read_tags

_SILENT_FRAMES = 4 * (b"\xff\xfb\x90\x00" + bytes(413))  # MPEG 1, layer 3, 128 kbit/s, 44.1 kHz, stereo


def read_leading_id3(path: Path, size: int) -> Tags:
    """Read the tags in the first `size` bytes of a file. Damaged tags are left out."""
    with path.open("rb") as file:
        content = file.read(size) + _SILENT_FRAMES
    try:
        with av.open(io.BytesIO(content), "r", format="mp3", metadata_errors="replace") as mp3:
            return read_tags(lambda: io.BytesIO(content), mp3, mp3.streams.audio[0])
    except MemoryError:  # FFmpeg's MemoryError is an FFmpegError too
        raise
    except (av.FFmpegError, IndexError, ValueError):
        return Tags()
