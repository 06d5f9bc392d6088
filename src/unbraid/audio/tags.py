"""A song's tags and cover picture: read from any container, written to those that can hold them."""

from __future__ import annotations

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

# What containers and encoders say about themselves, and loudness or gapless data, which is wrong for a stem.
_NOT_TAGS = frozenset(
    "encoder encoded_by encodersettings encoder_options major_brand minor_version compatible_brands creation_time duration "
    "handler_name vendor_id language itunsmpb itunnorm itunes_cddb_1 accurip tsse tlen tenc bps number_of_frames "
    "number_of_bytes metadata_block_picture coverart wm/encodingsettings wmfsdkversion wmfsdkneeded isvbr".split()
)
_NOT_TAG_PREFIXES = ("replaygain_", "r128_", "_statistics", "deviceconformance", "id3v2_priv")

_MIME_OF_CODEC = {"mjpeg": "image/jpeg", "png": "image/png"}


def read_tags(container: InputContainer, sound: AudioStream) -> dict[str, str]:
    """Tags of the file and of its sound stream (Ogg keeps them there), names in lower case as FFmpeg calls them."""
    found: dict[str, str] = {}
    for source in (container.metadata, sound.metadata):
        for name, value in source.items():
            key = name.lower()
            if value and key not in _NOT_TAGS and not key.startswith(_NOT_TAG_PREFIXES):
                found.setdefault(key, value)
    return found


def read_cover(container: InputContainer) -> tuple[bytes | None, str | None]:
    """The first attached JPEG or PNG picture and its media type, or (None, None). Reads on in `container`."""
    for stream in container.streams.video:
        mime = _MIME_OF_CODEC.get(stream.codec_context.name) if stream.codec_context is not None else None
        if mime is None or not stream.disposition & Disposition.attached_pic:
            continue
        try:
            for packet in container.demux(stream):
                if packet.size:
                    return bytes(packet), mime
        except av.FFmpegError:
            pass
    return None, None
