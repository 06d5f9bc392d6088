"""Read tags and cover picture from any container, and write them to formats that support them."""

from __future__ import annotations

import base64
import io
import struct
from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import Disposition

# Tags that would be wrong in a stem: data about the container or the encoder, loudness, and gapless data.
_NOT_TAGS = frozenset(
    {
        *(
            "encoder",
            "encoded_by",
            "encodersettings",
            "encoder_options",
            "tsse",
            "tenc",
            "wm/encodingsettings",
        ),
        *("wmfsdkversion", "wmfsdkneeded", "isvbr", "major_brand", "minor_version", "compatible_brands"),
        *("creation_time", "duration", "tlen", "bps", "number_of_frames", "number_of_bytes", "handler_name"),
        *(
            "vendor_id",
            "language",
            "itunsmpb",
            "itunnorm",
            "itunes_cddb_1",
            "metadata_block_picture",
            "coverart",
        ),
    }
)
_NOT_TAG_PREFIXES = ("replaygain_", "r128_", "_statistics", "deviceconformance", "id3v2_priv")

_MIME_OF_CODEC = {"mjpeg": "image/jpeg", "png": "image/png"}


def read_tags(container: InputContainer, sound: AudioStream) -> dict[str, str]:
    """Read the tags of the file and of its audio stream (Ogg stores them there). Names are FFmpeg's, in lower case."""
    tags: dict[str, str] = {}
    for source in (container.metadata, sound.metadata):
        for name, value in source.items():
            key = name.lower()
            if value and key not in _NOT_TAGS and not key.startswith(_NOT_TAG_PREFIXES):
                tags.setdefault(key, value)
    return tags


def read_cover(container: InputContainer) -> tuple[bytes | None, str | None]:
    """Return the first attached JPEG or PNG and its media type, or (None, None). Moves the read position."""
    for stream in container.streams.video:
        mime = _MIME_OF_CODEC.get(stream.codec_context.name) if stream.codec_context is not None else None
        if mime is None or not stream.disposition & Disposition.attached_pic:
            continue
        try:
            for packet in container.demux(stream):
                if packet.size:
                    return bytes(packet), mime
        except MemoryError:  # FFmpeg's MemoryError is an FFmpegError too
            raise
        except av.FFmpegError:
            pass
    return None, None


def add_cover(container: OutputContainer, picture: bytes, mime: str | None) -> None:
    """Attach a JPEG or PNG to a file, after its audio stream was added. Ignore other pictures.

    Also writes the file's header.
    """
    codec, width, height = _codec_and_size(picture, mime)
    if codec not in _MIME_OF_CODEC:
        return
    stream = container.add_mux_stream(codec, width=width, height=height)
    stream.disposition = Disposition.attached_pic
    stream.time_base = Fraction(1, 90_000)
    container.start_encoding()
    packet = av.Packet(picture)
    packet.stream = stream
    packet.time_base = Fraction(1, 90_000)
    packet.pts = packet.dts = 0
    packet.is_keyframe = True
    container.mux(packet)


def cover_tags(picture: bytes, mime: str | None) -> dict[str, str]:
    """Return the cover as a tag for Ogg: a FLAC picture block (RFC 9639, section 8.8) in base64."""
    codec, width, height = _codec_and_size(picture, mime)
    if codec not in _MIME_OF_CODEC:
        return {}
    front_cover, no_description, depth, no_palette = 3, 0, 24, 0
    kind = _MIME_OF_CODEC[codec].encode()
    block = struct.pack(f">II{len(kind)}s", front_cover, len(kind), kind)
    block += struct.pack(">6I", no_description, width, height, depth, no_palette, len(picture)) + picture
    return {"metadata_block_picture": base64.b64encode(block).decode()}


def _codec_and_size(picture: bytes, mime: str | None) -> tuple[str, int, int]:
    """Return FFmpeg's name of the picture's codec, width and height; ("", 0, 0) if it is unusable."""
    if mime not in (None, *_MIME_OF_CODEC.values()):
        return "", 0, 0
    try:
        with av.open(io.BytesIO(picture), "r", options={"format_whitelist": "jpeg_pipe,png_pipe"}) as image:
            context = image.streams.video[0].codec_context
            return context.name, context.width, context.height
    except MemoryError:
        raise
    except (av.FFmpegError, IndexError, ValueError):
        return "", 0, 0
