"""Open and describe an audio or video file, before decoding."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from av.audio.stream import AudioStream
from av.container import InputContainer

from unbraid.audio.file_view import FilePart
from unbraid.audio.find_parts import find_parts
from unbraid.audio.header_length import claimed_duration
from unbraid.audio.leading_tag import read_leading_id3
from unbraid.audio.open_part import open_part
from unbraid.audio.parts import wrong_id3_size
from unbraid.audio.tags.model import Tags
from unbraid.audio.tags.read import read_tags

if TYPE_CHECKING:
    from os import PathLike


@dataclass(frozen=True)
class SoundInfo:
    """Properties of an audio stream, from the headers of its file."""

    path: Path
    codec: str
    container: str
    sample_rate: int
    """Sample rate in Hz."""
    channels: int
    """Number of channels, before surround sound is mixed to stereo; the most of all parts."""
    duration_s: float | None
    """Length in the header in seconds, which may be wrong; None if there is none."""
    streams: int
    """Number of audio streams in the file."""
    stream: int
    """Number of this audio stream, from 0."""
    language: str | None = None
    """Language of this stream as the file names it, such as "eng"; None: unknown."""
    depth: str = "16"
    """Sample type that stores what the codec can: 16, 24 or float. Lossy codecs count as 16 bit."""
    tags: Tags = field(default_factory=Tags)

    @property
    def is_plain_pcm(self) -> bool:
        """Whether this is a WAV with PCM."""
        return self.container == "wav" and self.codec.startswith("pcm_")


def probe(path: str | PathLike[str], stream: int | None = None) -> SoundInfo:
    """Describe audio stream number `stream` of a file, from 0; None: the one marked default, or else the first.

    Commentaries and the like come last. Raises InputError, SettingError.
    """
    parts = find_parts(path, stream)
    first, *others = parts.readable
    opened = open_part(first, stream)
    with opened.container:
        info = describe(first, opened.container, opened.sound)
    info = replace(info, channels=max(info.channels, parts.channels))
    for part in others:
        info = replace(info, duration_s=_sum(info.duration_s, _duration(part, stream)))
    if size := wrong_id3_size(Path(path)):
        info = replace(info, tags=info.tags.with_missing(read_leading_id3(Path(path), size)))
    return info


def open_sound(
    path: str | PathLike[str], stream: int | None, known: SoundInfo | None = None
) -> tuple[InputContainer, AudioStream]:
    """Open `path` and choose an audio stream. The caller closes the container. Raises InputError, SettingError.

    `known`: description of the same stream, if it has been probed before. Of a chained Ogg file the first link is
    opened.
    """
    first = find_parts(path, stream).readable[0]
    opened = open_part(first, stream, known is not None and known.is_plain_pcm)
    return opened.container, opened.sound


def _duration(part: FilePart, stream: int | None) -> float | None:
    """Return the length of a further part in seconds; None if it is unknown."""
    opened = open_part(part, stream)
    with opened.container:
        return claimed_duration(opened.container, opened.sound)


def _sum(one_s: float | None, other_s: float | None) -> float | None:
    return None if one_s is None or other_s is None else one_s + other_s


def describe(part: FilePart, container: InputContainer, sound: AudioStream) -> SoundInfo:
    """Describe an open file, of which `part` is the first part."""
    return SoundInfo(
        path=part.path,
        codec=sound.codec.canonical_name,
        container=container.format.name,
        sample_rate=sound.sample_rate,
        channels=sound.codec_context.layout.nb_channels,
        duration_s=claimed_duration(container, sound),
        streams=len(container.streams.audio),
        stream=container.streams.audio.index(sound),
        language=None if sound.language in (None, "", "und") else sound.language,
        depth=_depth(sound),
        tags=read_tags(part.open, container, sound),
    )


def _depth(sound: AudioStream) -> str:
    """Return the depth of a stream as in SoundInfo. FFmpeg stores samples of 17 to 32 bits in 32."""
    codec, sample_format = sound.codec, sound.codec_context.format
    if codec.name.startswith("dsd_"):
        return "24"  # one bit, but oversampled
    if not codec.lossless or sample_format is None:
        return "16"
    kind = sample_format.packed.name
    if kind in ("flt", "dbl") or codec.name.startswith(("pcm_s32", "pcm_u32", "pcm_s64")):
        return "float"
    return "24" if kind in ("s32", "s64") else "16"
