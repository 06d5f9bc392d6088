"""Open and describe an audio or video file, before decoding."""

from __future__ import annotations

import stat
from contextlib import suppress
from dataclasses import dataclass, field, replace
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

from unbraid.audio.file_view import FilePart
from unbraid.audio.header_length import claimed_duration
from unbraid.audio.leading_tag import read_leading_id3
from unbraid.audio.parts import split, without_outer_tags, without_tags, wrong_id3_size
from unbraid.audio.tags.model import Tags
from unbraid.audio.tags.read import read_tags
from unbraid.errors import InputError, SettingError
from unbraid.files.oserrors import read_cause
from unbraid.out_of_memory import probe_memory

if TYPE_CHECKING:
    from os import PathLike

# Only these demultiplexers may open an input. Playlists and scripts (HLS, DASH, concat) are excluded: they name further
# files and URLs, which a server must not open.
_CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,"
    "mpegts,nut,ogg,rm,tak,truehd,tta,voc,w64,wav,wv"
)
_OPEN_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
# Sound that accompanies a video or a concert, but isn't the song itself.
_NOT_THE_SONG = (
    Disposition.comment
    | Disposition.visual_impaired
    | Disposition.hearing_impaired
    | Disposition.descriptions
    | Disposition.dependent
    | Disposition.karaoke
    | Disposition.clean_effects
)
_MEMORY_TO_OPEN = 64 << 20  # bytes; more than any header needs
# FFmpeg searches the samples of a WAV for DTS, because WAV copies of DTS CDs contain it. The search takes 25 ms, nearly
# all the time of opening a file, so it is skipped when a file is opened again.
_SKIP_DTS_SEARCH = {"max_probe_packets": "1"}


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
    opened = open_part(find_parts(path, stream).readable[0], stream, known)
    return opened.container, opened.sound


class OpenSound(NamedTuple):
    """An open part of a file, and one of its audio streams. The caller closes the container."""

    part: FilePart
    container: InputContainer
    sound: AudioStream


class Parts(NamedTuple):
    """The parts of a file that can be opened, at least one."""

    readable: list[FilePart]
    all: int
    """Number of parts, with those whose start is damaged."""
    channels: int
    """Most channels of a part; 0 if there is only one part."""


def find_parts(path: str | PathLike[str], stream: int | None = None) -> Parts:
    """Find the parts of a file (see `split`). Raises InputError if it isn't a readable file.

    If the start of a part is damaged, it is read with the settings of the part before it; the first part is skipped.
    """
    _check_readable(path, _name(path))
    try:
        found = split(Path(path))
    except OSError as error:
        reason = f"can't be read: {read_cause(error)}. Check the disk."
        raise InputError(reason, subject=_name(path)) from error
    if len(found) == 1:
        return Parts(found, 1, 0)
    readable: list[FilePart] = []
    most = 0
    for part in found:
        channels = _channels(part, stream)
        most = max(most, channels)
        if channels:
            readable.append(part)
        elif readable:
            readable[-1] = FilePart(part.path, (*(readable[-1].ranges or ()), *(part.ranges or ())))
    return Parts(readable or found[:1], len(found), most)


def _channels(part: FilePart, stream: int | None) -> int:
    """Return the channels of a part; 0 if it can't be opened."""
    try:
        opened = open_part(part, stream)
    except (InputError, SettingError):
        return 0
    with opened.container:
        return opened.sound.codec_context.layout.nb_channels


def open_part(part: FilePart, stream: int | None, known: SoundInfo | None = None) -> OpenSound:
    """Open a part of a file, as in `open_sound`."""
    name = _name(part.path)
    is_plain_pcm = known is not None and known.container == "wav" and known.codec.startswith("pcm_")
    options = _OPEN_OPTIONS | _SKIP_DTS_SEARCH if is_plain_pcm else _OPEN_OPTIONS
    try:
        part, container = _open_without_tags(part, options)
        try:
            format_name = container.format.name
            stripped = without_tags(part, format_name)
            if stripped != part:
                container.close()
                part, container = stripped, _open(stripped, options, format_name)
            return OpenSound(part, container, _choose(container, stream, name))
        except BaseException:
            container.close()
            raise
    except (av.FFmpegError, ValueError, OSError, MemoryError) as error:
        if isinstance(
            error, MemoryError
        ):  # FFmpeg also raises it for a damaged size, such as 2**31 times in an MP4
            probe_memory(_MEMORY_TO_OPEN)
        raise InputError(
            "can't be read as audio: it is damaged or not an audio file. Try to play it, or convert it to WAV.",
            subject=name,
        ) from error


def _open_without_tags(part: FilePart, options: dict[str, str]) -> tuple[FilePart, InputContainer]:
    """Open a part, if need be without its tags: FFmpeg may not recognise a few frames between large tags."""
    try:
        return part, _open(part, options)
    except av.FFmpegError as error:
        if not isinstance(error, MemoryError):
            for stripped in (
                without_outer_tags(part),
                *(without_tags(part, name) for name in ("mp3", "aac", "ac3")),
            ):
                with suppress(av.FFmpegError):
                    if stripped != part:
                        return stripped, _open(stripped, options)
        raise


def _open(part: FilePart, options: dict[str, str], format: str | None = None) -> InputContainer:
    if part.ranges is not None:
        return av.open(part.open_raw(), "r", format=format, options=options, metadata_errors="replace")
    name = f"file:{part.path.absolute()}"  # with this prefix FFmpeg never interprets it as a URL
    try:
        return av.open(name, "r", options=options, metadata_errors="replace")
    except MemoryError:
        raise
    except av.FFmpegError:
        with part.open() as file:
            head = file.read(3)
        if head == b"ID3" or (len(head) == 3 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0):
            # FFmpeg sometimes mistakes an MP3 of two frames for a video.
            return av.open(name, "r", format="mp3", options=options, metadata_errors="replace")
        raise


def _duration(part: FilePart, stream: int | None) -> float | None:
    """Return the length of a further part in seconds; None if it is unknown."""
    opened = open_part(part, stream)
    with opened.container:
        return claimed_duration(opened.container, opened.sound)


def _sum(one_s: float | None, other_s: float | None) -> float | None:
    return None if one_s is None or other_s is None else one_s + other_s


def _name(path: str | PathLike[str]) -> str:
    return Path(path).name or str(path)


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


def _check_readable(path: str | PathLike[str], name: str) -> None:
    if not fspath(path):
        raise InputError("A song has no name. Name an audio file.")
    try:
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"is a folder. Name the files in it: {fspath(path).rstrip('/')}/*", subject=name)
        if not stat.S_ISREG(status.st_mode):
            raise InputError("is not a regular file. Save the audio to a file first.", subject=name)
        if status.st_size == 0:
            raise InputError("is empty (0 bytes). Copy or download it again.", subject=name)
        with Path(path).open("rb"):
            pass
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError("doesn't exist. Check the name and the folder.", subject=name) from error
    except PermissionError as error:
        raise InputError(
            "can't be read: you have no permission. Change its permissions.", subject=name
        ) from error
    except (OSError, ValueError) as error:
        reason = f"can't be opened: {read_cause(error)}. Check the name and the disk."
        raise InputError(reason, subject=name) from error


def _rank(sound: AudioStream) -> tuple[bool, bool]:
    """Rank streams that a file has several of, the best lowest: the song before commentaries, then the default one."""
    return bool(sound.disposition & _NOT_THE_SONG), not sound.disposition & Disposition.default


def _choose(container: InputContainer, stream: int | None, name: str) -> AudioStream:
    sounds = [s for s in container.streams.audio if s.codec_context is not None]
    if not sounds:
        if any(s.codec_context is None for s in container.streams.audio):
            raise InputError(
                "has audio in a codec that isn't supported. Convert it to WAV or FLAC.", subject=name
            )
        what = "only pictures" if container.streams.video else "nothing that can be played"
        raise InputError(f"has no audio, {what}. Choose a file with audio.", subject=name)
    if stream is None:
        chosen = min(sounds, key=_rank)
    elif 0 <= stream < len(container.streams.audio):
        chosen = container.streams.audio[stream]
    else:
        raise SettingError(
            f"has no audio stream {stream}. It has {len(container.streams.audio)}, counted from 0.",
            subject=name,
        )
    if (
        chosen.codec_context is None
        or chosen.sample_rate <= 0
        or chosen.codec_context.layout.nb_channels <= 0
    ):
        raise InputError(
            "has audio that can't be decoded. Try to play it, or convert it to WAV.", subject=name
        )
    return chosen
